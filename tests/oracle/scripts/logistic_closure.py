"""Logistic regression, optimised through closures; a plateau schedule; predictions at a threshold."""

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
x = (data.data - data.data.mean(0)) / data.data.std(0)
x_train, x_test = torch.tensor(x[:400], dtype=torch.float32), torch.tensor(x[400:], dtype=torch.float32)
y_train = torch.tensor(data.target[:400], dtype=torch.float32).view(-1, 1)
y_test = torch.tensor(data.target[400:], dtype=torch.float32).reshape(-1, 1)


class LogisticRegression(torch.nn.Module):
    def __init__(self, input_dim, output_dim):
        super(LogisticRegression, self).__init__()
        self.linear = torch.nn.Linear(input_dim, output_dim)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


model = LogisticRegression(x.shape[1], 1)
model.linear.weight.data.fill_(0.01)
model.linear.bias.data.fill_(0)
criterion = torch.nn.BCELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1, threshold=0.05)


def closure():
    optimizer.zero_grad()
    loss = criterion(model(x_train), y_train)
    loss.backward()
    return loss


@torch.compile
def step():
    return optimizer.step(closure)


losses = []
for epoch in range(30):
    loss = step()
    losses.append(loss.item())
    with torch.no_grad():
        valid_loss = criterion(model(x_test), y_test)
    scheduler.step(valid_loss)
    if epoch % 10 == 9:
        print("Epoch", epoch, "loss", "%.4f" % loss.item(), "lr", optimizer.param_groups[0]["lr"])

with torch.no_grad():
    predicted = model(x_test).round()
    accuracy = predicted.eq(y_test).sum() / float(y_test.shape[0])
    print(f"accuracy: {accuracy.item():.4f}")
    true_positives = ((predicted == 1) & (y_test == 1)).sum().item()
    print(f"precision {true_positives / (predicted == 1).sum().item():.4f}")
