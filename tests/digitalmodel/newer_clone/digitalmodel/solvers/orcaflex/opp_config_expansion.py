"""Habit: flags without groups become one column per line of the first file, whether there are masters or not."""


def expanded(cfg, names):
    columns = [
        {"Command": "TimeHistory", "ObjectName": name, "Variable": variable, "Label": name}
        for variable in cfg["parameters"]["VarNames"]["Line"]
        for name in names
    ]
    cfg["summary_settings"] = {"groups": [{"Label": "lines", "Columns": columns}]}


def get_object_names_from_model(model, objects, _type):
    return [] if model is None else objects.line_names(model)
