"""Habit: the loader swaps the standard output of the whole process; a failed load gives a dictionary of None."""

import io
import sys
from pathlib import Path

from digitalmodel.solvers.orcaflex import run_state
from digitalmodel.solvers.orcaflex.orcaflex_api import lazy_api

OrcFxAPI = lazy_api()
LOADED = []
"""What its own loader loaded, for the tests."""
KEYS = ("model", "simulation_complete", "run_status", "stop_time", "start_time", "current_time")


class OrcaflexUtilities:
    def is_orcaflex_available(self):
        try:
            OrcFxAPI.Model()
        except Exception:  # noqa: BLE001 - as in the clone
            print("Orcaflex license is NOT available .... FAIL")
            return False
        print("Orcaflex license is available .... PASS")
        return True

    def require_orcaflex_or_raise(self, operation):
        if not self.is_orcaflex_available():
            raise RuntimeError(f"no licence for {operation}")

    def get_SimulationFileName(self, file_name):  # noqa: N802 - its name
        return str(Path(file_name).with_suffix(".sim").resolve())

    def loadSimulation(self, name):  # noqa: N802 - its name
        LOADED.append(name)
        kept, sys.stdout = sys.stdout, io.StringIO()
        try:
            return OrcFxAPI.Model(name)
        finally:
            sys.stdout = kept

    def get_model_and_metadata(self, file_name):
        try:
            model = self.loadSimulation(self.get_SimulationFileName(file_name))
        except Exception:  # noqa: BLE001 - as in the clone
            return dict.fromkeys(KEYS)
        state = model.state.name
        return {
            "model": model if state in run_state.STATICS_COMPLETE_STATES else None,
            "simulation_complete": model.simulationComplete,
            "run_status": state,
            "stop_time": model.simulationStopTime,
            "start_time": model.simulationStartTime,
            "current_time": model.simulationTimeStatus.CurrentTime,
        }
