"""Two networks against each other: two optimisers in turn, detach, labels of ones and zeros."""

import numpy as np
import torch
import torch.nn as nn

latent_dim = 4
batch_size = 32
rng = np.random.default_rng(3)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()
        self.main = nn.Sequential(nn.Linear(latent_dim, 16), nn.ReLU(True), nn.Linear(16, 2))

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.main = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2, inplace=True), nn.Linear(16, 1))

    def forward(self, input):
        return self.main(input).view(-1)


netG, netD = Generator(), Discriminator()
for net in (netG, netD):
    for p in net.parameters():
        p.data = torch.tensor(rng.normal(0, 0.3, p.shape), dtype=torch.float32)

criterion = nn.BCEWithLogitsLoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.999))
real_label = 1.0
fake_label = 0.0


@torch.compile
def step(real, noise):
    # (1) Update D network: maximize log(D(x)) + log(1 - D(G(z)))
    netD.zero_grad()
    label = torch.full((real.size(0),), real_label, dtype=torch.float32)
    errD_real = criterion(netD(real), label)
    errD_real.backward()

    fake = netG(noise)
    label.fill_(fake_label)
    errD_fake = criterion(netD(fake.detach()), label)
    errD_fake.backward()
    errD = errD_real + errD_fake
    optimizerD.step()

    # (2) Update G network: maximize log(D(G(z)))
    netG.zero_grad()
    label.fill_(real_label)
    errG = criterion(netD(fake), label)
    errG.backward()
    optimizerG.step()
    return errD, errG


losses, G_losses, D_losses = [], [], []
for i in range(30):
    theta = rng.uniform(0, 2 * np.pi, batch_size)
    real = torch.tensor(np.stack([np.cos(theta), np.sin(theta)], axis=1), dtype=torch.float32)
    noise = torch.tensor(rng.standard_normal((batch_size, latent_dim)), dtype=torch.float32)
    errD, errG = step(real, noise)
    G_losses.append(errG.item())
    D_losses.append(errD.item())
    if i % 10 == 0:
        print("[%d/%d]\tLoss_D: %.4f\tLoss_G: %.4f" % (i, 30, errD.item(), errG.item()))
losses = G_losses + D_losses
