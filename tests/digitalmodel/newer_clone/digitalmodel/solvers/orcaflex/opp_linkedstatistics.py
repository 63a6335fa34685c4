"""Linked statistics by name only."""


class OPPLinkedStatistics:
    def get_linked_statistics(self, cfg, model, file_name):
        raise KeyError("model")

    def add_file_result_to_all_results(self, together, one):
        return one

    def save_linked_statistics(self, together, cfg):
        return None
