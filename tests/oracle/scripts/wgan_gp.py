"""WGAN with gradient penalty: several critic steps for each generator step, autograd.grad inside the loss."""

import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn

rng = np.random.default_rng(10)
lambda_gp = 10
n_critic = 3


def block(in_feat, out_feat, normalize=True):
    layers = [nn.Linear(in_feat, out_feat)]
    if normalize:
        layers.append(nn.BatchNorm1d(out_feat, 0.8))
    layers.append(nn.LeakyReLU(0.2, inplace=True))
    return layers


generator = nn.Sequential(*block(3, 12, normalize=False), *block(12, 12), nn.Linear(12, 2))
discriminator = nn.Sequential(nn.Linear(2, 16), nn.Softplus(), nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 1))
for net in (generator, discriminator):
    for m in net.modules():
        if isinstance(m, nn.Linear):
            m.weight.data = torch.tensor(rng.normal(0, 0.3, m.weight.shape), dtype=torch.float32)
            m.bias.data.zero_()
        elif isinstance(m, nn.BatchNorm1d):
            nn.init.ones_(m.weight)

optimizer_G = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))


def compute_gradient_penalty(D, real_samples, fake_samples, alpha):
    """Calculates the gradient penalty loss for WGAN GP"""
    interpolates = (alpha * real_samples + ((1 - alpha) * fake_samples)).requires_grad_(True)
    d_interpolates = D(interpolates)
    fake = torch.ones(real_samples.shape[0], 1, requires_grad=False)
    gradients = autograd.grad(
        outputs=d_interpolates,
        inputs=interpolates,
        grad_outputs=fake,
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


@torch.compile
def critic_step(real, z, alpha):
    optimizer_D.zero_grad()
    fake = generator(z)
    real_validity = discriminator(real)
    fake_validity = discriminator(fake)
    gradient_penalty = compute_gradient_penalty(discriminator, real.data, fake.data, alpha)
    d_loss = -torch.mean(real_validity) + torch.mean(fake_validity) + lambda_gp * gradient_penalty
    d_loss.backward()
    optimizer_D.step()
    return d_loss


@torch.compile
def generator_step(z):
    optimizer_G.zero_grad()
    g_loss = -torch.mean(discriminator(generator(z)))
    g_loss.backward()
    optimizer_G.step()
    return g_loss


losses = []
for i in range(30):
    real = torch.tensor(rng.normal([1.0, -1.0], 0.5, (24, 2)), dtype=torch.float32)
    z = torch.tensor(rng.normal(0, 1, (24, 3)), dtype=torch.float32)
    alpha = torch.tensor(rng.random((24, 1)), dtype=torch.float32)
    d_loss = critic_step(real, z, alpha)
    losses.append(d_loss.item())
    if i % n_critic == 0:
        g_loss = generator_step(z)
        losses.append(g_loss.item())
        if i % 9 == 0:
            print("[Batch %d/%d] [D loss: %f] [G loss: %f]" % (i, 30, d_loss.item(), g_loss.item()))
