"""Q-learning on a random replay buffer: a target network by polyak averaging, an EMA copy, a hard copy now and then."""

import copy
import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward", "done"))
rng = np.random.default_rng(14)
random.seed(14)


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.layer1 = nn.Linear(n_observations, 16)
        self.layer2 = nn.Linear(16, 16)
        self.layer3 = nn.Linear(16, n_actions)

    def forward(self, x):
        x = F.relu(self.layer1(x))
        x = F.relu(self.layer2(x))
        return self.layer3(x)


policy_net = DQN(4, 3)
target_net = DQN(4, 3)
with torch.no_grad():
    for p in policy_net.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.3, p.shape), dtype=torch.float32))
target_net.load_state_dict(policy_net.state_dict())
ema_net = copy.deepcopy(policy_net)
for p in ema_net.parameters():
    p.requires_grad = False
optimizer = optim.AdamW(policy_net.parameters(), lr=5e-3, amsgrad=True)
GAMMA, TAU, DECAY = 0.9, 0.05, 0.9

memory = deque([], maxlen=200)
for _ in range(200):
    state = torch.tensor(rng.normal(size=4), dtype=torch.float32).unsqueeze(0)
    following = state * 0.9 + torch.tensor(rng.normal(0, 0.1, 4), dtype=torch.float32)
    action = torch.tensor([[int(rng.integers(3))]], dtype=torch.long)
    reward = torch.tensor([float(rng.normal())])
    memory.append(Transition(state, action, following, reward, torch.tensor([bool(rng.random() < 0.1)])))


@torch.compile
def optimize_model(state, action, next_state, reward, done):
    q = policy_net(state).gather(1, action)
    with torch.no_grad():
        next_q = target_net(next_state).max(1).values
        expected = reward + GAMMA * next_q * (~done)
    loss = nn.SmoothL1Loss()(q, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()

    for target_param, param in zip(target_net.parameters(), policy_net.parameters(), strict=True):
        target_param.data.copy_(TAU * param.data + (1.0 - TAU) * target_param.data)
    with torch.no_grad():
        for ema_param, param in zip(ema_net.parameters(), policy_net.parameters(), strict=True):
            ema_param.mul_(DECAY).add_(param, alpha=1 - DECAY)
    return loss


losses = []
for step in range(30):
    batch = Transition(*zip(*random.sample(memory, 16), strict=True))
    loss = optimize_model(*(torch.cat(column) for column in batch))
    losses.append(loss.item())
    if step == 15:
        target_net.load_state_dict(policy_net.state_dict())
    if step % 10 == 0:
        with torch.no_grad():
            q = policy_net(batch.state[0]).max(1)
            print(step, "q %.4f" % q.values.item(), "action", q.indices.view(1, 1))

distance = sum((a - b).abs().sum().item() for a, b in zip(policy_net.parameters(), ema_net.parameters(), strict=True))
print(f"{distance:.4f}", all(not p.requires_grad for p in ema_net.parameters()))
