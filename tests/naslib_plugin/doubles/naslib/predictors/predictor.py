class Predictor:
    def __init__(self, ss_type=None, encoding_type=None):
        self.ss_type = ss_type
        self.encoding_type = encoding_type

    def set_ss_type(self, ss_type):
        self.ss_type = ss_type

    def pre_process(self):
        pass

    def pre_compute(self, xtrain, xtest, unlabeled=None):
        pass

    def get_data_reqs(self):
        return {"requires_partial_lc": False, "unlabeled": False}

    def get_hpo_wrapper(self):
        return self.hpo_wrapper
