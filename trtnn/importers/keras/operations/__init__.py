"""Operations of ``keras.ops`` as functions of trtnn, by family; importing them registers them."""

from trtnn.importers.keras.operations import elementwise, nn, reduction, shape

__all__ = ["elementwise", "nn", "reduction", "shape"]
