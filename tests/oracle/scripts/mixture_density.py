"""A mixture density network, and a heteroscedastic Gaussian likelihood in a learned log-variance."""

import math

import numpy as np
import torch
import torch.nn as nn

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
rng = np.random.default_rng(12)


class MDN(nn.Module):
    def __init__(self, n_hidden, n_gaussians):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
        self.z_pi = nn.Linear(n_hidden, n_gaussians)
        self.z_mu = nn.Linear(n_hidden, n_gaussians)
        self.z_sigma = nn.Linear(n_hidden, n_gaussians)

    def forward(self, x):
        z_h = self.z_h(x)
        pi = torch.log_softmax(self.z_pi(z_h), -1)
        mu = self.z_mu(z_h)
        sigma = torch.exp(self.z_sigma(z_h).clamp(-5, 5))
        return pi, mu, sigma


def mdn_loss(log_pi, mu, sigma, y):
    log_prob = -0.5 * ((y.expand_as(mu) - mu) / sigma).square() - sigma.log() - LOG_SQRT_2PI
    return -torch.logsumexp(log_pi + log_prob, dim=1).mean()


class GaussianHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(1, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        mean, log_var = self.head(nn.functional.elu(self.body(x))).unbind(dim=-1)
        return mean, log_var


def gaussian_nll(mean, log_var, target):
    return 0.5 * (log_var + (target - mean) ** 2 / log_var.exp()).mean()


t = rng.uniform(0, 1, (64, 1))
x_data = torch.tensor(t + 0.3 * np.sin(2 * np.pi * t) + rng.normal(0, 0.05, t.shape), dtype=torch.float32)
y_data = torch.tensor(t, dtype=torch.float32)

network, head = MDN(10, 5), GaussianHead()
parameters = list(network.parameters()) + list(head.parameters())
for p in parameters:
    nn.init.zeros_(p)
    p.data.add_(torch.tensor(rng.normal(0, 0.5, p.shape), dtype=torch.float32))
optimizer = torch.optim.Adam(parameters, lr=1e-2)


@torch.compile
def step():
    pi_variable, mu_variable, sigma_variable = network(x_data)
    loss = mdn_loss(pi_variable, mu_variable, sigma_variable, y_data)
    loss = loss + gaussian_nll(*head(x_data), y_data.squeeze(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


losses = []
for epoch in range(40):
    loss = step()
    losses.append(loss.item())
    if epoch % 10 == 0:
        print(epoch, round(loss.item(), 4))

with torch.no_grad():
    pi, mu, sigma = network(torch.linspace(0, 1, 5).view(-1, 1))
    k = pi.argmax(1, keepdim=True)
    print(np.round(mu.gather(1, k).squeeze(1).numpy(), 3).tolist(), bool((sigma > 0).all()))
