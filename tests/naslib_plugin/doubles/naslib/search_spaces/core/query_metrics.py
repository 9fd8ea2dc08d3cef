from enum import Enum, auto


class Metric(Enum):
    TRAIN_ACCURACY = auto()
    VAL_ACCURACY = auto()
    TEST_ACCURACY = auto()
    TRAIN_TIME = auto()
    RAW = auto()
