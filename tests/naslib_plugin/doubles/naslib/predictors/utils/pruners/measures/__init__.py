import copy

_measure_impls = {}


def measure(name, bn=True, copy_net=True):
    def make(function):
        if name in _measure_impls:
            raise KeyError(f"Duplicated measure! {name}")
        _measure_impls[name] = lambda net, *args, **kwargs: function(copy.deepcopy(net), *args, **kwargs)
        return function

    return make
