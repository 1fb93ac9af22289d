"""A module by its file: two scripts of one name (units/*/live_test.py) are two modules."""
import importlib.util
import sys


def by_path(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]
