"""A session in a notebook: opened in one cell, used in others, closed in the last one.

Open it in an editor that knows `# %%` cells, paste the cells into a notebook, or run it whole:

    python examples/notebook_style.py

While it runs, `ktrdr ops list` shows it.
"""

# %% Open a session
import math
import time

import ktrdr_bridge

bridge = ktrdr_bridge.open_session("notebook", total_epochs=20, labels={"by": "notebook_style"})
print(f"session {bridge.session_id}; in another terminal: ktrdr ops list")

# %% Search for a moving average's length: each length that is tried is an epoch
prices = [100.0]
for day in range(1, 2_000):
    prices.append(prices[-1] * (1 + 0.01 * math.sin(day * day)))

best_length, best_gain = 0, -math.inf
for epoch in range(1, 21):
    length = 5 * epoch
    gain = 0.0
    for day in range(length, len(prices) - 1):
        if prices[day] > sum(prices[day - length : day]) / length:
            gain += math.log(prices[day + 1] / prices[day])
    if gain > best_gain:
        best_length, best_gain = length, gain
    bridge.on_epoch(epoch, {"length": length, "gain": gain, "best_gain": best_gain})
    if bridge.cancelled:
        break
    time.sleep(0.05)

# %% Look at it
print(f"best length {best_length}, gain {best_gain:+.2%}, on prices that nobody ever paid")

# %% Close the session. Without this cell it is open until the notebook's kernel ends
bridge.close()
print("done; ktrdr ops get last")
