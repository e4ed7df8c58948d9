"""Builds the ONNX graph of a BERT sentence encoder by hand: input ids to a unit vector.

By hand, because it is forty lines, needs no exporter, and lets the largest table, the word
embeddings, be stored as int8 with a scale per word, which no quantizer offers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
EPSILON = 1e-12

Array = np.ndarray[Any, Any]


class Graph:
    """Collects nodes and constants; every method adds one node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._count = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self._count += 1
        output = f"{kind.lower()}_{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Array) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant("ints_" + "_".join(map(str, values)), np.array(values, np.int64))


def encoder(weights: dict[str, Array], *, layers: int, heads: int) -> onnx.ModelProto:
    """Returns a model with inputs input_ids and attention_mask [n, length] (int64) and the output
    embedding [n, width], mean-pooled and of length 1.
    """
    graph = Graph()
    state = _embeddings(graph, weights)
    bias = _mask_bias(graph)
    for number in range(layers):
        state = _layer(graph, weights, f"encoder.layer.{number}", state, bias, heads)
    output = _pool(graph, state)
    width = weights["embeddings.position_embeddings.weight"].shape[1]
    return _model(graph, output, width)


def _embeddings(graph: Graph, weights: dict[str, Array]) -> str:
    table = weights["embeddings.word_embeddings.weight"]
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-9).astype(np.float32)
    quantized = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
    rows = graph.add("Gather", graph.constant("words", quantized), "input_ids")
    scales = graph.add("Gather", graph.constant("word_scales", scale), "input_ids")
    words = graph.add("Mul", graph.add("Cast", rows, to=TensorProto.FLOAT), scales)
    positions = weights["embeddings.position_embeddings.weight"]
    # Every input is one sentence: its token type is 0 throughout.
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    shape = graph.add("Shape", "input_ids")
    length = graph.add("Slice", shape, graph.ints(1), graph.ints(2))
    places = graph.add("Slice", graph.constant("positions", positions), graph.ints(0), length)
    return _norm(graph, weights, "embeddings.LayerNorm", graph.add("Add", words, places))


def _mask_bias(graph: Graph) -> str:
    """Returns 0 where there is a token and a large negative number where there is none."""
    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = graph.add("Sub", graph.constant("one", np.array(1, np.float32)), mask)
    bias = graph.add("Mul", absent, graph.constant("far", np.array(-1e9, np.float32)))
    return graph.add("Unsqueeze", bias, graph.ints(1, 2))


def _layer(
    graph: Graph, weights: dict[str, Array], name: str, state: str, bias: str, heads: int
) -> str:
    width = weights[f"{name}.attention.self.query.weight"].shape[0]

    def split(part: str) -> str:
        linear = _linear(graph, weights, f"{name}.attention.self.{part}", state)
        shaped = graph.add("Reshape", linear, graph.ints(0, 0, heads, width // heads))
        order = [0, 2, 3, 1] if part == "key" else [0, 2, 1, 3]
        return graph.add("Transpose", shaped, perm=order)

    scores = graph.add("MatMul", split("query"), split("key"))
    root = graph.constant("root", np.array((width // heads) ** 0.5, np.float32))
    scores = graph.add("Add", graph.add("Div", scores, root), bias)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), split("value"))
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", mixed, graph.ints(0, 0, width))
    attended = _linear(graph, weights, f"{name}.attention.output.dense", mixed)
    state = _norm(
        graph, weights, f"{name}.attention.output.LayerNorm", graph.add("Add", attended, state)
    )
    inner = _gelu(graph, _linear(graph, weights, f"{name}.intermediate.dense", state))
    outer = _linear(graph, weights, f"{name}.output.dense", inner)
    return _norm(graph, weights, f"{name}.output.LayerNorm", graph.add("Add", outer, state))


def _linear(graph: Graph, weights: dict[str, Array], name: str, state: str) -> str:
    matrix = graph.constant(f"{name}.weight", weights[f"{name}.weight"].T)
    product = graph.add("MatMul", state, matrix)
    return graph.add("Add", product, graph.constant(f"{name}.bias", weights[f"{name}.bias"]))


def _norm(graph: Graph, weights: dict[str, Array], name: str, state: str) -> str:
    scale = graph.constant(f"{name}.weight", weights[f"{name}.weight"])
    bias = graph.constant(f"{name}.bias", weights[f"{name}.bias"])
    return graph.add("LayerNormalization", state, scale, bias, axis=-1, epsilon=EPSILON)


def _gelu(graph: Graph, state: str) -> str:
    root = graph.constant("root_2", np.array(2**0.5, np.float32))
    error = graph.add("Erf", graph.add("Div", state, root))
    shifted = graph.add("Add", error, graph.constant("one", np.array(1, np.float32)))
    half = graph.constant("half", np.array(0.5, np.float32))
    return graph.add("Mul", graph.add("Mul", state, shifted), half)


def _pool(graph: Graph, state: str) -> str:
    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    mask = graph.add("Unsqueeze", mask, graph.ints(2))
    total = graph.add("ReduceSum", graph.add("Mul", state, mask), graph.ints(1), keepdims=0)
    count = graph.add("ReduceSum", mask, graph.ints(1), keepdims=0)
    mean = graph.add("Div", total, count)
    length = graph.add("ReduceL2", mean, axes=[1], keepdims=1)
    return graph.add("Div", mean, length)


def _model(graph: Graph, output: str, width: int) -> onnx.ModelProto:
    def tensor(name: str, kind: int, second: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["n", second])

    graph.nodes.append(helper.make_node("Identity", [output], ["embedding"]))
    inputs = [tensor(name, TensorProto.INT64, "length") for name in ("input_ids", "attention_mask")]
    outputs = [tensor("embedding", TensorProto.FLOAT, width)]
    body = helper.make_graph(
        graph.nodes, "encoder", inputs, outputs, list(graph.constants.values())
    )
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="assistant"
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
