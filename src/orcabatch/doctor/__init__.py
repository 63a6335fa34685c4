"""The first contact with a real OrcaFlex: what is assumed of its DLL is asked of it, on the user's own file.

    assumptions: name, what relies on it, what is switched off
        │ examination: children, timeouts       child: one contact, its checks (`answers`, `models`, `threads`)
        └──> findings ──> shown: table, advice, a JSON file ── kept ──> `verdicts` <── batch: `follow` ── settings

A check runs in a child process and only reads; a crash or a hang is a finding. Verdicts only ever switch things off.
"""
