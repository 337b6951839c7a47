"""Messages as text: the format of `.pbtxt` files and of the `checkpoint` file of a directory."""

from __future__ import annotations

from typing import Any


def to_text(message: Any) -> str:
    """Write a message as text.

    >>> from evergraph.formats import messages
    >>> print(to_text(messages.CheckpointState(model_checkpoint_path="model.ckpt-7")), end="")
    model_checkpoint_path: "model.ckpt-7"
    """
    from google.protobuf import text_format

    return str(text_format.MessageToString(message, descriptor_pool=message.DESCRIPTOR.file.pool))


def from_text(text: str | bytes, message_class: Any) -> Any:
    """Read a message of class `message_class` from text.

    Raises:
        ValueError: if the text is not such a message; the error names line and column.

    >>> from evergraph.formats import messages
    >>> from_text('name: "x" op: "NoOp"', messages.NodeDef).op
    'NoOp'
    """
    from google.protobuf import text_format

    try:
        return text_format.Parse(text, message_class(), descriptor_pool=message_class.DESCRIPTOR.file.pool)
    except text_format.ParseError as error:
        raise ValueError(f"not a {message_class.DESCRIPTOR.full_name} in text format: {error}") from error
