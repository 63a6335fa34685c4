"""Everything that touches OrcFxAPI: which one there is, models that stay on their thread, what its errors mean.

Covers: finding OrcFxAPI (`binding`), thread-bound sessions that use one model again (`session`), the recipe that the
engine runs (`work`), what exceptions mean for the engineer (`failures`), results that need a warning (`incomplete`),
and the result broker (`broker`). Does not know about batches, plans, memory limits or digitalmodel.
"""
