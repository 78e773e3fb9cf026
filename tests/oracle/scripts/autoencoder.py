"""An autoencoder with a bottleneck; a Dataset class of one's own; MSE and a sparsity penalty."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self, n: int = 256, transform=None):
        self.data = torch.from_numpy(load_digits().data[:n].astype(np.float32))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, idx):
        sample = self.data[idx]
        if self.transform:
            sample = self.transform(sample)
        return sample, idx


class AutoEncoder(nn.Module):
    def __init__(self, n_in: int, n_hidden: int, n_code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n_in, n_hidden), nn.Tanh(), nn.Linear(n_hidden, n_code))
        self.decoder = nn.Sequential(nn.Linear(n_code, n_hidden), nn.Tanh(), nn.Linear(n_hidden, n_in), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        code = self.encoder(x)
        return self.decoder(code), code


device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
loader = DataLoader(Digits(transform=lambda t: t / 16), batch_size=32, shuffle=False)
model = AutoEncoder(64, 24, 6).to(device)
rng = np.random.default_rng(2)
for p in model.parameters():
    p.data.copy_(torch.tensor(rng.uniform(-0.3, 0.3, size=p.size())))
optimizer = optim.Adam(model.parameters(), lr=3e-3)
losses = []


@torch.compile
def train_step(x):
    optimizer.zero_grad()
    reconstruction, code = model(x)
    mse = F.mse_loss(reconstruction, x)
    sparsity = code.abs().mean()
    loss = mse + 1e-3 * sparsity
    loss.backward()
    optimizer.step()
    return loss, mse


for epoch in range(3):
    running_loss = 0.0
    for i, (batch, indices) in enumerate(loader):
        loss, mse = train_step(batch.to(device))
        running_loss += mse.item() * batch.size(0)
        losses.append(loss.item())
    print("epoch %d, loss %.5f" % (epoch, running_loss / len(loader.dataset)), indices.tolist()[-3:], i)

model.eval()
with torch.no_grad():
    codes = torch.cat([model.encoder(batch) for batch, _ in loader], dim=0)
print(codes.shape, f"{codes.std(dim=0).mean().item():.4f}")
