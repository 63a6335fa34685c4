"""Everything that touches OrcFxAPI: which one there is, models that stay on their thread, what its errors mean.

    engine ── recipe, workers (`work`) ──> `session` ── model ──> post-process: `user_function`, or digitalmodel's
                                             │ `binding`: which OrcFxAPI      │ questions: `broker`
                                             │ `owners`, `gone`: whose objects are whose, and what is left of them

Covers besides: what exceptions mean for the engineer (`failures`, `sim_files`), results that need a warning
(`incomplete`), what a value must not hold (`returned`), what we put into OrcFxAPI for a while (`patches`). Does not
know about batches, plans, memory limits or digitalmodel.
"""
