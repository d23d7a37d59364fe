"""MFCC front ends in numpy: one code for training and serving.

``extract`` turns a waveform into features, ``normalize`` prepares them for the network, ``load_features`` and
``save_mfc`` read and write feature files.
"""

from govor.features.extraction import Features, extract, normalize
from govor.features.files import load_features, save_mfc

__all__ = ["Features", "extract", "load_features", "normalize", "save_mfc"]
