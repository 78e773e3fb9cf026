"""Metrics: numbers of an epoch that are shown beside the loss."""

from chainrule.train.metrics.base import Mean, Metric, Perplexity, Sums, Whole
from chainrule.train.metrics.classification import F1, Accuracy, TopK
from chainrule.train.metrics.named import NAMES, default_metrics, metrics_of
from chainrule.train.metrics.ranking import AUC
from chainrule.train.metrics.regression import MAE, MSE, R2, RMSE

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "MSE",
    "NAMES",
    "R2",
    "RMSE",
    "Accuracy",
    "Mean",
    "Metric",
    "Perplexity",
    "Sums",
    "TopK",
    "Whole",
    "default_metrics",
    "metrics_of",
]
