"""digitalmodel's OrcaFlex post-process, in parallel and with the same output.

Everything digitalmodel-shaped lives behind this door. Importing it imports neither digitalmodel nor OrcFxAPI.

    reader          what `run_batch` asks of a YAML or a cfg; `dropin`: the same from digitalmodel's own names
    configuration   from a YAML to cfg: base_config, input_files, mappings, spelling
    check           mistakes in a YAML; `preconditions`: what nothing could run without; `outputs`: what is asked for
    batch           one batch and its conclusion; `finished`: one of which all is known
    serial_order    who waits for whom; `caching`: on what results depend, and how the ledger keeps them
    postprocess     one loaded file; `fast_paths`, `questions`: what that saves; `missing`: what the file lacks
    csv_output      tables on their way to disk; csv_text, csv_compiled (their text), combine (those of all files)
    notices         what is said of a batch; `silent`: what digitalmodel does without a word
    installed       the digitalmodel that is there; `source_code`: seen from outside, `native`: what is left to it,
                    `output_capture`: what it prints
    prove           some files once more through digitalmodel itself; proof_input, proof_findings, reference_run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orcabatch.digitalmodel.dropin import OrcaFlexPostProcess, install, uninstall

__all__ = ["OrcaFlexPostProcess", "install", "uninstall"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orcabatch.digitalmodel import dropin

    return getattr(dropin, name)
