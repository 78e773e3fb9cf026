"""What the parameters and attributes of both estimators mean: written once, put into the docstring of each."""

from __future__ import annotations

import textwrap
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type[Any])

PARAMETERS = """
Of the parameters, None means that chainrule chooses, by the rows and columns (`settings_` says what):

model: the name of a preset ("wide", "mlp", "linear"), or a network of your own: a Module, of which a copy is trained
    from its weights on; or a class or function that makes one from (inputs, outputs), the features and the numbers that
    it must give for each row.
hidden, activation, norm, dropout, init: of presets: the widths of hidden layers, their activation, norm and dropout,
    and how weights begin.
loss: a name, a Module, or a function of (outputs, targets) that takes `reduction` where rows have weights.
optimizer: a name, or a function of the parameters that makes an Optimizer. lr: its learning rate, the highest of the
    schedule. weight_decay, l1: how strongly large weights are held back (biases and norms are not). clip: the largest
    norm of the gradient. ema: the decay of a moving average of the weights, which is then what is kept; 0 for none.
schedule: a name, or a function of (optimizer, steps) that makes a scheduler. warmup: the share of steps that it rises.
epochs: passes over the rows. batch_size: rows a step.
valid: the share of rows that is held out; after `patience` epochs in which their loss has not improved training stops,
    and the best weights are taken. 0 trains on all rows to the end. patience=0 always goes on to the last epoch.
time_limit: seconds.
scale: whether columns of X are brought to mean 0 and standard deviation 1, missing numbers (NaN) replaced by the mean
    and told by a column of their own, and the categories and dates of a DataFrame encoded as by `chainrule train`.
    Only of two-dimensional X. False: a model of your own gets whole numbers as int64, all others as float32.
warm_start: whether `fit` goes on from the weights that there are.
threads: of machine code; None: as many as scikit-learn's own estimators take, so that processes side by side share the
    cores. The result has the same bits for any number.
compile: whether steps are compiled. verbose: whether epochs are shown. random_state: as everywhere in scikit-learn.
"""
ATTRIBUTES = """
What a fit leaves:

n_features_in_, feature_names_in_: the columns of X. n_outputs_: the numbers that the network gives for each row.
columns_: what became of each column of a DataFrame that holds other things than numbers; else None.
module_: the trained Module. settings_: what was used for each parameter.
history_: a dict for each epoch: losses, scores, learning rate, seconds. n_iter_: how many there were.
loss_curve_, validation_loss_curve_, validation_scores_: of each epoch; the latter two None where nothing was held out.
loss_, best_loss_: the last and the lowest training loss. best_validation_score_: of `best_epoch_`, whose weights are
    kept. stopped_: why training ended.
"""


def documented(kind: Kind) -> Kind:
    """Fills in `{parameters}` and `{attributes}` in the docstring of a class."""
    text = kind.__doc__ or ""
    for name, value in (("{parameters}", PARAMETERS), ("{attributes}", ATTRIBUTES)):
        text = text.replace(name, textwrap.indent(value.strip(), "    ").strip())
    kind.__doc__ = text
    return kind
