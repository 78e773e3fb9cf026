"""Skip-gram with negative sampling, and a CBOW model with a softmax, trained on one small text."""

from collections import Counter

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

text = """We are about to study the idea of a computational process. Computational processes are abstract
beings that inhabit computers. As they evolve, processes manipulate other abstract things called data. The evolution
of a process is directed by a pattern of rules called a program."""
words = text.lower().replace(".", "").replace(",", "").split()
vocab = sorted(set(words))
word_to_ix = {word: i for i, word in enumerate(vocab)}
counts = Counter(words)
rng = np.random.default_rng(7)


class SkipGram(nn.Module):
    def __init__(self, vocab_size, embedding_dim):
        super(SkipGram, self).__init__()
        self.in_embed = nn.Embedding(vocab_size, embedding_dim, sparse=False)
        self.out_embed = nn.Embedding(vocab_size, embedding_dim)

    def forward(self, center, context, negatives):
        v = self.in_embed(center)  # (batch, dim)
        u = self.out_embed(context)  # (batch, dim)
        n = self.out_embed(negatives)  # (batch, k, dim)
        positive = F.logsigmoid((u * v).sum(dim=1))
        negative = F.logsigmoid(-torch.bmm(n, v.unsqueeze(2)).squeeze(2)).sum(1)
        return -(positive + negative).mean()


class CBOW(nn.Module):
    def __init__(self, vocab_size, embedding_dim):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.linear = nn.Linear(embedding_dim, vocab_size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).mean(dim=1)
        return F.log_softmax(self.linear(embeds), dim=1)


skipgram, cbow = SkipGram(len(vocab), 10), CBOW(len(vocab), 10)
for model in (skipgram, cbow):
    for p in model.parameters():
        p.data[:] = torch.tensor(rng.normal(0, 0.5, p.shape), dtype=torch.float32)

pairs = [(words[i], words[i + j]) for i in range(2, len(words) - 2) for j in (-2, -1, 1, 2)]
centers = torch.tensor([word_to_ix[w] for w, _ in pairs], dtype=torch.long)
contexts = torch.tensor([word_to_ix[w] for _, w in pairs])
frequency = torch.tensor([counts[w] for w in vocab], dtype=torch.float32) ** 0.75
frequency = (frequency / frequency.sum()).numpy()
windows = torch.tensor([[word_to_ix[words[i + j]] for j in (-2, -1, 1, 2)] for i in range(2, len(words) - 2)])
middles = torch.tensor([word_to_ix[w] for w in words[2:-2]])

optimizer = optim.Adagrad(skipgram.parameters(), lr=0.1)
cbow_optimizer = optim.SGD(cbow.parameters(), lr=0.5, momentum=0.9, nesterov=True)
loss_function = nn.NLLLoss()


@torch.compile
def skipgram_step(center, context, negatives):
    skipgram.zero_grad()
    loss = skipgram(center, context, negatives)
    loss.backward()
    optimizer.step()
    return loss


@torch.compile
def cbow_step(window, middle):
    cbow_optimizer.zero_grad()
    loss = loss_function(cbow(window), middle)
    loss.backward()
    cbow_optimizer.step()
    return loss


losses = []
for epoch in range(3):
    total_loss = 0
    for i in range(0, len(pairs) - 15, 16):
        p = frequency.astype("float64")
        negatives = torch.from_numpy(rng.choice(len(vocab), size=(16, 5), p=p / p.sum()))
        loss = skipgram_step(centers[i : i + 16], contexts[i : i + 16], negatives)
        total_loss += loss.item()
        losses.append(loss.item())
    losses.append(cbow_step(windows, middles).item())
    print(f"epoch {epoch}: {total_loss:.3f}")


def most_similar(word, k=3):
    with torch.no_grad():
        vectors = F.normalize(skipgram.in_embed.weight, dim=1)
        similarities = vectors @ vectors[word_to_ix[word]]
        values, indices = similarities.topk(k + 1)
    return [(vocab[i], round(v.item(), 3)) for v, i in zip(values[1:], indices[1:], strict=True)]


print(most_similar("process"))
predicted = cbow(windows[:1]).argmax(dim=1)
print(vocab[predicted.item()])
