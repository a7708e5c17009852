"""All functions on tensors: ``import trtnn.functional as F``."""

from trtnn.functional import (
    activations,
    attention,
    control,
    convolution,
    image,
    math,
    nn,
    normalization,
    plugin,
    products,
    recurrent,
    reductions,
    sequence,
    shape,
    statistics,
)
from trtnn.functional.activations import *  # noqa: F403
from trtnn.functional.attention import *  # noqa: F403
from trtnn.functional.control import *  # noqa: F403
from trtnn.functional.convolution import *  # noqa: F403
from trtnn.functional.image import *  # noqa: F403
from trtnn.functional.math import *  # noqa: F403
from trtnn.functional.nn import *  # noqa: F403
from trtnn.functional.normalization import *  # noqa: F403
from trtnn.functional.plugin import *  # noqa: F403
from trtnn.functional.products import *  # noqa: F403
from trtnn.functional.recurrent import *  # noqa: F403
from trtnn.functional.reductions import *  # noqa: F403
from trtnn.functional.sequence import *  # noqa: F403
from trtnn.functional.shape import *  # noqa: F403
from trtnn.functional.statistics import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += control.__all__
__all__ += convolution.__all__
__all__ += image.__all__
__all__ += math.__all__
__all__ += nn.__all__
__all__ += normalization.__all__
__all__ += plugin.__all__
__all__ += products.__all__
__all__ += recurrent.__all__
__all__ += reductions.__all__
__all__ += sequence.__all__
__all__ += shape.__all__
__all__ += statistics.__all__
