class MetaOptimizer:
    using_step_function = True
