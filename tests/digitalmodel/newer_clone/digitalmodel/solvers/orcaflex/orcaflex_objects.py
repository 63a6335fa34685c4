"""The lines of a model."""


class OrcaFlexObjects:
    def line_names(self, model):
        return [item.name for item in model.objects if item.type.name == "Line"]
