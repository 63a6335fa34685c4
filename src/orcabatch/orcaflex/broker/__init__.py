"""The result broker: OrcaFlex is asked once.

See `orcabatch.orcaflex.broker.broker` for what it does and how.
"""

from orcabatch.orcaflex.broker.broker import BrokerReport, ResultBroker
from orcabatch.orcaflex.broker.options import BrokerOptions, Question

__all__ = ["BrokerOptions", "BrokerReport", "Question", "ResultBroker"]
