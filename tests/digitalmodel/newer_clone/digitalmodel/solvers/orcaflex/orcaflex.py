"""Habit: the post-process that the engine uses is made when this is imported."""

from digitalmodel.solvers.orcaflex.opp import OrcaFlexPostProcess

opp = OrcaFlexPostProcess()


class OrcaFlex:
    def router(self, cfg):
        opp.post_process_router(cfg)
        return cfg
