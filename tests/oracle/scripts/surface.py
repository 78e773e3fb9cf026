"""What scripts do around training: factories, checks, joins, shapes, dtypes, NumPy both ways, grad modes, printing."""

import functools

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor


def seed_everything(seed: int) -> None:
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


seed_everything(42)
device = torch.device("cpu")
array = np.arange(6, dtype=np.float32).reshape(2, 3)


def square() -> tuple[Tensor, Tensor]:
    v = torch.tensor(3.0, requires_grad=True)
    return v * v, v


print(torch.cuda.device_count(), torch.accelerator.is_available(), torch.backends.mps.is_available())
x: torch.Tensor = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device=device)
assert isinstance(x, torch.Tensor)
assert isinstance(x, Tensor)
assert torch.is_tensor(x)
assert not torch.is_tensor(np.ones(2))
print(x, x.shape, x.size(), x.size(0), x.shape[0], x.ndim, x.dim(), x.numel(), len(x), x.dtype, x.device)
print(x.T, x.t().shape, x.view(-1), x.view(3, 2), x.reshape(-1, 1).shape, x.flatten(), x[:, 1], x[0, 1].item(), x[-1])
print(torch.zeros(2, 3), torch.ones(2, dtype=torch.int64), torch.full((2, 2), 7.0), torch.eye(2), torch.arange(5))
print(torch.arange(1, 2, 0.25), torch.linspace(0, 1, 5), torch.zeros_like(x), torch.ones_like(x, dtype=torch.bool))
print(torch.cat([x, x]), torch.cat((x, x), dim=1), torch.stack([x[0], x[1]], dim=1), torch.where(x > 2, x, -x))
print(torch.einsum("ij,kj->ik", x, x), torch.matmul(x, x.T), x @ x.t(), torch.dot(x[0], x[1]), torch.outer(x[0], x[1]))
print(torch.topk(x, 2), x.argmax(), x.argmax(dim=1), torch.argmax(x, dim=-1, keepdim=True), x.max(), x.min(dim=0))
print(torch.max(x, dim=1), torch.sort(x, descending=True), x.sum(), x.sum(0), x.mean(dim=1, keepdim=True))
print(x.std(), x.var(unbiased=False), torch.prod(x), torch.cumsum(x, 1), x.norm(), x.pow(2), x**0.5)
print(torch.unique(torch.tensor([3, 1, 3])), torch.nonzero(x > 3), x[x > 3], torch.bincount(torch.tensor([0, 2, 2])))
print(torch.randn(2, 3).shape, torch.rand(4).shape, torch.randint(0, 5, (3,)).dtype, torch.randperm(4).sort()[0])
print(torch.allclose(x, x + 1e-12), torch.equal(x, x), (x == x).all(), torch.isnan(x).any(), (x > 100).any().item())
print(x.unsqueeze(0).shape, x[None].shape, x[..., None].squeeze(-1).shape, x.permute(1, 0).shape, x.expand(4, 2, 3).shape)
print(x.repeat(2, 1).shape, torch.split(x, 1), torch.chunk(x, 3, dim=1), x.clamp(2, 5), torch.clamp(x, min=2.5))
print(x.int(), x.long(), x.bool(), x.to(torch.int32), x.type(torch.long), x.tolist(), x.double().dtype)
print(x.int().type(), x.type("torch.LongTensor").dtype, x.type(torch.BoolTensor).dtype, x.bool().type(torch.uint8))
print(torch.Tensor([1, 2]), torch.Tensor(array[:1]), torch.LongTensor([3]), torch.FloatTensor([[0.5]]).shape)
print(torch.Tensor(2, 3).shape, torch.BoolTensor([True]), torch.Tensor(x.shape).shape, torch.Tensor().shape)
print(torch.pi, torch.inf, torch.nan, torch.e, x[torch.newaxis].shape, torch.autograd.grad(*square(), None, None)[0])
print(torch.tensor(3), torch.tensor(3.5), torch.tensor([True, False]), torch.tensor([]), torch.tensor([1.5, 2]))
print(torch.tensor([1e-5, 1.0]), torch.tensor([1e6, 1.5]), torch.tensor([1.0, float("nan"), float("inf")]))
print(torch.arange(2000), torch.zeros(1), torch.tensor([0.1, 100.0]), torch.tensor([[1e-8], [1.0]]))
print(f"{x.mean():.3f} {x.sum().item():>8.2f} {x[0, 0]:.1e}", "shape: {}".format(x.shape), "%.2f" % x.mean())
print(nn.functional.one_hot(torch.tensor([0, 2]), num_classes=3), torch.tril(torch.ones(3, 3)), torch.triu(x))

# NumPy
t = torch.from_numpy(array)
print(t, t.numpy().sum(), np.asarray(t).shape, np.mean(t.numpy()), torch.tensor(array), torch.as_tensor(array).dtype)
print(torch.tensor(np.float32(2.5)), torch.tensor(np.array([1, 2])), np.array(x.tolist()).shape, t.mul(2).add_(1))
print([int(v) for v in torch.arange(3)], float(torch.tensor(2.0)), list(range(torch.tensor(3))), 2 * t, 1 / (t + 1))

# gradients
w = torch.randn(3, requires_grad=True)
w.data = torch.tensor([1.0, 2.0, 3.0])
y = (w * w).sum()
print(w, y, w.grad, w.requires_grad, y.requires_grad, w.is_leaf, y.is_leaf)
y.backward()
print(w.grad, w.detach(), w.data, y.item())
w.grad.zero_()
w.grad = None
with torch.no_grad():
    z = w * 2
    w += 1
print(z.requires_grad, w, torch.is_grad_enabled())


@torch.no_grad()
def evaluate(v):
    return (v * 2).sum()


@torch.inference_mode()
def infer(v):
    return (v * 2).requires_grad


@functools.lru_cache(maxsize=None)
def mask(n: int) -> Tensor:
    return torch.triu(torch.full((n, n), float("-inf")), diagonal=1)


with torch.set_grad_enabled(False):
    print(evaluate(w), infer(w), (w * 2).requires_grad, mask(3))
with torch.enable_grad():
    print((w * 2).sum())

# modules
model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.2), nn.Linear(4, 2, bias=False))
model.eval()
model.to(device)
print(model)
print(model[-1].weight.shape, len(model), model.training, next(model.parameters()).device)
print(list(model.state_dict().keys()), [n for n, _ in model.named_children()], type(model[0]).__name__)
print([(n, tuple(p.shape)) for n, p in model.named_parameters()], next(model.parameters()).is_cuda)
print(sum(p.numel() for p in model.parameters() if p.requires_grad), model(torch.zeros(5, 3)).shape)
print(torch.optim.Adam(model.parameters(), lr=1e-3))
print(hasattr(model, "nonsense"))
assert torch.get_default_dtype() in (torch.float32, torch.float64)
losses = [x.sum().item()]
