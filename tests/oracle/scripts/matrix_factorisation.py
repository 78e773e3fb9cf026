"""Ratings by two matrices and biases, as bare parameters and as embeddings; weight decay; RMSE over index pairs."""

import numpy as np
import torch

rng = np.random.default_rng(8)
n_users, n_items, n_factors = 20, 15, 4
true = rng.normal(size=(n_users, n_factors)) @ rng.normal(size=(n_factors, n_items))
rows, cols = np.nonzero(rng.random((n_users, n_items)) < 0.4)
ratings = true[rows, cols]


class MatrixFactorization(torch.nn.Module):
    def __init__(self, n_users, n_items, n_factors=20):
        super().__init__()
        self.user_factors = torch.nn.Parameter(torch.randn(n_users, n_factors) * 0.1)
        self.item_factors = torch.nn.Parameter(torch.rand(n_items, n_factors))
        self.user_bias = torch.nn.Embedding(n_users, 1)
        self.item_bias = torch.nn.Embedding(n_items, 1)
        self.user_bias.weight.data.fill_(0.0)
        self.item_bias.weight.data.uniform_(-0.01, 0.01)
        self.offset = torch.nn.Parameter(torch.zeros(1))

    def forward(self, user, item):
        products = (self.user_factors[user] * self.item_factors[item]).sum(1, keepdim=True)
        return (products + self.user_bias(user) + self.item_bias(item)).squeeze() + self.offset

    def full(self):
        return torch.einsum("uf,if->ui", self.user_factors, self.item_factors)


model = MatrixFactorization(n_users, n_items, n_factors)
torch.nn.init.constant_(model.item_bias.weight, 0.01)
with torch.no_grad():
    model.user_factors.copy_(torch.tensor(rng.normal(0, 0.5, (n_users, n_factors))))
    model.item_factors.copy_(torch.tensor(rng.normal(0, 0.5, (n_items, n_factors))))

loss_func = torch.nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5, weight_decay=1e-3)
users, items = torch.from_numpy(rows), torch.from_numpy(cols)
ratings = torch.tensor(ratings, dtype=torch.float32)


@torch.compile
def fit(users, items, ratings):
    prediction = model(users, items)
    loss = loss_func(prediction, ratings)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


losses = []
for _ in range(40):
    losses.append(fit(users, items, ratings).item())

with torch.no_grad():
    rmse = torch.sqrt(torch.mean((model(users, items) - ratings) ** 2))
    best = torch.argmax(model.full(), dim=1)
print("rmse", np.round(rmse.numpy(), 4), "first", best[:5].numpy())
assert model.full().shape == torch.Size([n_users, n_items])
