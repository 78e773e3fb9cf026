from chainrule.backends.coverage import Coverage, coverage_of
from chainrule.ir.primitive import REGISTRY
from chainrule.ops.reduction import sum_ as _fills_the_registry  # noqa: F401


def test_what_has_no_row_is_expanded_or_missing() -> None:
    report = coverage_of(["exp", "add"])
    assert report.rows == ("add", "exp")
    assert "softplus" in report.expanded
    assert "mul" in report.missing
    assert sorted(report.rows + report.expanded + report.missing) == sorted(REGISTRY)


def test_report_is_a_line_per_primitive() -> None:
    assert str(Coverage(("exp", "log"), ("gelu",), ("argmax",))) == (
        "argmax  MISSING\nexp     row\ngelu    expanded\nlog     row"
    )
