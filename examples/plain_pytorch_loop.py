"""A PyTorch loop of your own, followed by KTRDR: what it takes is one `with` line, and one line an epoch.

    python examples/plain_pytorch_loop.py [--epochs 30] [--pause-seconds 0.1]

While it runs, `ktrdr ops list` shows it, `ktrdr ops metrics last --plot` draws its curves, and `ktrdr ops cancel last`
asks it to stop. Without any service it runs just the same, and appears when `ktrdr up` is started later.
"""

import argparse
import time

import ktrdr_bridge
import torch


def made_up_returns(days: int) -> torch.Tensor:
    """Return daily returns of nothing real, with some momentum in them."""
    noise = torch.randn(days, generator=torch.Generator().manual_seed(7)) * 0.01
    for day in range(1, days):
        noise[day] += 0.3 * noise[day - 1]
    return noise


def main() -> None:
    """Learn whether the next day goes up, from the returns of the ten days before."""
    parser = argparse.ArgumentParser(description="A PyTorch loop of your own, followed by KTRDR.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--pause-seconds", type=float, default=0.1, help="time to look at it, after each epoch")
    options = parser.parse_args()

    torch.set_num_threads(1)  # a model of this size gains nothing from more
    torch.manual_seed(7)
    days = made_up_returns(2_010).unfold(0, 11, 1)
    inputs, targets = days[:, :10] * 100, (days[:, 10:] > 0).float()
    training, validation = slice(0, 1_600), slice(1_600, None)
    model = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    loss_of = torch.nn.BCEWithLogitsLoss()

    with ktrdr_bridge.open_session("plain PyTorch loop", total_epochs=options.epochs, labels={"seed": 7}) as bridge:
        print(f"session {bridge.session_id}; in another terminal: ktrdr ops list")
        for epoch in range(1, options.epochs + 1):
            batches = torch.randperm(1_600).chunk(16)
            for number, batch in enumerate(batches, start=1):
                loss = loss_of(model(inputs[training][batch]), targets[training][batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                bridge.on_batch(number, len(batches), {"batch_loss": loss.item()})
            with torch.no_grad():
                logits = model(inputs)
            bridge.on_epoch(
                epoch,
                {
                    "train_loss": loss_of(logits[training], targets[training]).item(),
                    "val_loss": loss_of(logits[validation], targets[validation]).item(),
                    "val_accuracy": ((logits > 0) == (targets > 0))[validation].float().mean().item(),
                },
            )
            if bridge.cancelled:
                print(f"asked to stop after epoch {epoch}")
                break
            time.sleep(options.pause_seconds)
    print("done; ktrdr ops get last")


if __name__ == "__main__":
    main()
