"""REINFORCE and an actor-critic on a bandit with states: log-probabilities, advantages, entropy, returns."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

rng = np.random.default_rng(20)


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(3, 16)
        self.action_head = nn.Linear(16, 4)
        self.value_head = nn.Linear(16, 1)

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


model = ActorCritic()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.4, p.shape)))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
gamma, eps = 0.9, np.finfo(np.float32).eps.item()


def discounted(rewards):
    R, returns = 0, []
    for r in rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    return (returns - returns.mean()) / (returns.std() + eps)


@torch.compile
def finish_episode(states, actions, returns):
    probs, values = model(states)
    log_probs = torch.log(probs[torch.arange(len(actions)), actions])
    advantage = returns - values.squeeze(1).detach()
    policy_loss = -(log_probs * advantage).sum()
    value_loss = F.smooth_l1_loss(values, returns[:, None], reduction="sum")
    entropy = -(probs * probs.log()).sum(-1).mean()
    optimizer.zero_grad()
    loss = policy_loss + value_loss - 0.01 * entropy
    loss.backward()
    optimizer.step()
    return loss


losses = []
for i_episode in range(20):
    states, actions, rewards = [], [], []
    for _ in range(12):
        state = rng.normal(size=3).astype(np.float32)
        with torch.no_grad():
            probs, _ = model(torch.from_numpy(state).float().unsqueeze(0))
        cumulative = probs.cumsum(-1).squeeze(0)
        action = int((cumulative < rng.random() * 0.999).sum().item())
        states.append(torch.from_numpy(state))
        actions.append(action)
        rewards.append(float(state[0] * (action - 1.5)))
    loss = finish_episode(torch.stack(states), torch.LongTensor(actions), discounted(rewards))
    losses.append(loss.item())
    if i_episode % 5 == 0:
        print("Episode {}\tLoss: {:.3f}\tReward: {:.2f}".format(i_episode, loss.item(), sum(rewards)))
