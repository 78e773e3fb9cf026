"""Recurrent cells by hand, backpropagation through time in Python loops: an Elman cell, a GRU, an LSTM step."""

import numpy as np
import torch
import torch.nn as nn


class RNNCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)

    def forward(self, x, hidden):
        return torch.tanh(self.i2h(x) + self.h2h(hidden))

    def initHidden(self, batch):
        return torch.zeros(batch, self.hidden_size)


class GRUCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gates = nn.Linear(input_size + hidden_size, 2 * hidden_size)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, h):
        z, r = torch.sigmoid(self.gates(torch.cat([x, h], dim=1))).chunk(2, dim=1)
        n = torch.tanh(self.candidate(torch.cat([x, r * h], dim=1)))
        return (1 - z) * n + z * h


class LSTMCell(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))

    def forward(self, x, state):
        h, c = state
        gates = x @ self.weight_ih.t() + h @ self.weight_hh.t() + self.bias
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class Recurrent(nn.Module):
    def __init__(self, input_size=3, hidden_size=8):
        super().__init__()
        self.rnn = RNNCell(input_size, hidden_size)
        self.gru = GRUCell(hidden_size, hidden_size)
        self.lstm = LSTMCell(hidden_size, hidden_size)
        self.readout = nn.Linear(hidden_size, 1)

    def forward(self, x):  # x: (batch, time, input_size)
        batch, time, _ = x.shape
        h1 = self.rnn.initHidden(batch)
        h2 = torch.zeros_like(h1)
        state = (x.new_zeros(batch, 8), x.new_zeros(batch, 8))
        outputs = []
        for t in range(time):
            h1 = self.rnn(x[:, t], h1)
            h2 = self.gru(h1, h2)
            y, state = self.lstm(h2, state)
            outputs.append(self.readout(y))
        return torch.stack(outputs, dim=1).squeeze(-1)


rng = np.random.default_rng(6)
x = torch.tensor(rng.normal(size=(16, 7, 3)), dtype=torch.float32)
target = torch.cumsum(x.sum(-1), dim=1).tanh()
model = Recurrent()
with torch.no_grad():
    for p in model.parameters():
        p.uniform_(-0.1, 0.1)
        p[...] = torch.from_numpy(rng.uniform(-0.35, 0.35, p.shape))

optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.SmoothL1Loss()
losses = []


@torch.compile
def train(x, target):
    optimizer.zero_grad()
    loss = loss_fn(model(x), target)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
    optimizer.step()
    return loss


for epoch in range(1, 21):
    loss = train(x, target)
    losses.append(loss.item())
    if epoch % 5 == 0:
        print("Epoch: {}/20.............".format(epoch), end=" ")
        print("Loss: {:.4f}".format(loss.item()))
