"""Layers: modules that hold weights in TensorFlow's layout, and functions as modules."""

from trtnn.layers import (
    activation,
    attention,
    bidirectional,
    cells,
    conv,
    conv_recurrent,
    conv_transpose,
    cudnn,
    depthwise,
    embedding,
    layer_norm,
    linear,
    merge,
    norm,
    pool,
    preprocess,
    products,
    recurrent,
    reshaping,
    tf1,
)
from trtnn.layers.activation import *  # noqa: F403
from trtnn.layers.attention import *  # noqa: F403
from trtnn.layers.bidirectional import *  # noqa: F403
from trtnn.layers.cells import *  # noqa: F403
from trtnn.layers.conv import *  # noqa: F403
from trtnn.layers.conv_recurrent import *  # noqa: F403
from trtnn.layers.conv_transpose import *  # noqa: F403
from trtnn.layers.cudnn import *  # noqa: F403
from trtnn.layers.depthwise import *  # noqa: F403
from trtnn.layers.embedding import *  # noqa: F403
from trtnn.layers.layer_norm import *  # noqa: F403
from trtnn.layers.linear import *  # noqa: F403
from trtnn.layers.merge import *  # noqa: F403
from trtnn.layers.norm import *  # noqa: F403
from trtnn.layers.pool import *  # noqa: F403
from trtnn.layers.preprocess import *  # noqa: F403
from trtnn.layers.products import *  # noqa: F403
from trtnn.layers.recurrent import *  # noqa: F403
from trtnn.layers.reshaping import *  # noqa: F403

__all__: list[str] = ["tf1"]
__all__ += activation.__all__
__all__ += attention.__all__
__all__ += bidirectional.__all__
__all__ += cells.__all__
__all__ += conv.__all__
__all__ += conv_recurrent.__all__
__all__ += conv_transpose.__all__
__all__ += cudnn.__all__
__all__ += depthwise.__all__
__all__ += embedding.__all__
__all__ += layer_norm.__all__
__all__ += linear.__all__
__all__ += merge.__all__
__all__ += norm.__all__
__all__ += pool.__all__
__all__ += preprocess.__all__
__all__ += products.__all__
__all__ += recurrent.__all__
__all__ += reshaping.__all__
