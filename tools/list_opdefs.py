#!/usr/bin/env python3
"""Write TF 1.15's OpDefs, one readable line each: `tf1_opdefs.txt` and `tf1_opdefs_of_tests.txt` in `framework/`.

    python tools/list_opdefs.py OP_DEFS.json

OP_DEFS.json is a dump of TensorFlow 1.15.5's op registry (`op_def_registry.get_registered_ops()`), types by their
`DT_` names. Ops that are there for TensorFlow's own tests go into the second file.
"""

import json
import pathlib
import sys

OUT = pathlib.Path(__file__).parent.parent / "src/evergraph/framework/tf1_opdefs.txt"
NAMES = {"half": "float16", "float": "float32", "double": "float64"}


def type_name(dt):
    name = dt.removeprefix("DT_").lower()
    return NAMES.get(name, name)


def arg_text(arg):
    if "type_list_attr" in arg:
        text = f"list({arg['type_list_attr']})"
    else:
        text = arg.get("type_attr") or type_name(arg["type"])
        if "number_attr" in arg:
            text = f"{arg['number_attr']} * {text}"
    return f"{arg['name']}: Ref({text})" if arg.get("is_ref") else f"{arg['name']}: {text}"


def attr_text(attr):
    def value(v):
        if attr["type"] in ("type", "list(type)"):
            return type_name(v) if isinstance(v, str) else [type_name(x) for x in v]
        return v

    text = f"{attr['name']}: {attr['type']}"
    if "minimum" in attr:
        text += f" >= {attr['minimum']}"
    if "allowed" in attr:
        text += f" in {json.dumps([value(v) for v in attr['allowed']], separators=(',', ':'))}"
    if attr.get("has_default"):
        text += f" = {json.dumps(value(attr.get('default')), separators=(',', ':'))}"
    return text


def line(op):
    parts = [
        f"{op['name']}({', '.join(map(arg_text, op['inputs']))}) -> ({', '.join(map(arg_text, op['outputs']))})",
        *map(attr_text, op["attrs"]),
    ]
    flags = [
        flag for flag in ("is_stateful", "is_commutative", "is_aggregate", "allows_uninitialized_input") if op.get(flag)
    ]
    if flags:
        parts.append("! " + " ".join(flags))
    return " | ".join(parts)


def main():
    ops = json.loads(pathlib.Path(sys.argv[1]).read_text())["ops"]
    for out, of_tests in ((OUT, False), (OUT.with_name("tf1_opdefs_of_tests.txt"), True)):
        lines = [line(op) for op in ops if bool(op.get("test_only")) is of_tests]
        out.write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} ops written to {out.name}")


if __name__ == "__main__":
    main()
