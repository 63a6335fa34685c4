"""The result broker: OrcaFlex is asked once.

See `orcabatch.orcaflex.broker.broker` for what it does and how. What plans and recipes need of it are its options.
"""

from orcabatch.orcaflex.broker.options import BrokerOptions, Question

__all__ = ["BrokerOptions", "Question"]
