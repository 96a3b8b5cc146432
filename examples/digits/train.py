"""Train a small neural network on the handwritten digits that come with scikit-learn.

It runs by itself (``python train.py --lr 0.01``) and, unchanged, under metaopt, which reads ``val_loss`` and
``val_accuracy`` off its output.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--lr", type=float, default=1e-3, help="initial learning rate of Adam")
parser.add_argument("--width", type=int, default=32, help="units of the hidden layer")
parser.add_argument("--activation", choices=["relu", "tanh", "logistic"], default="relu")
parser.add_argument("--alpha", type=float, default=1e-4, help="weight decay")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

images, labels = load_digits(return_X_y=True)
train_x, val_x, train_y, val_y = train_test_split(images / 16.0, labels, test_size=0.3, random_state=0, stratify=labels)
network = MLPClassifier(
    hidden_layer_sizes=(args.width,),
    activation=args.activation,
    alpha=args.alpha,
    learning_rate_init=args.lr,
    batch_size=64,
    random_state=args.seed,
)
shuffle = np.random.default_rng(args.seed)
for epoch in range(1, args.epochs + 1):
    order = shuffle.permutation(len(train_x))
    for batch in np.array_split(order, len(order) // 64):
        network.partial_fit(train_x[batch], train_y[batch], classes=np.arange(10))
    probabilities = network.predict_proba(val_x)
    val_loss = log_loss(val_y, probabilities)
    val_accuracy = (probabilities.argmax(axis=1) == val_y).mean()
    print(f"epoch {epoch} val_loss={val_loss:.5f} val_accuracy={val_accuracy:.4f}", flush=True)
