"""Flower's SecAgg+: its released workflow and its released client mod, over messages in memory.

The server's side is `SecAggPlusWorkflow`, the client's `secaggplus_mod`, called as Flower calls
them; only the network between them is ours, a `Grid` that hands each message to the mod. So no
serialization, no TLS and no process is in the figures, nor the strategy that averages what the
workflow has already averaged; all of that favours Flower. Clients that drop out have shared
their keys and never send a masked update: the dear case, since the server then makes each of
their pairwise masks again.

Example: python flower_secagg.py --clients 10 --shares 5 --dropouts 1 --dimension 10000
"""

import argparse
import copy
import logging
import random

from measure import cpu_ms, median, report, require, update_of

import numpy as np
from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.client.mod import secaggplus_mod
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.compat.common.recorddict_compat import fitres_to_recorddict, parameters_to_arrayrecord
from flwr.server.client_manager import SimpleClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey
from flwr.serverapp.grid import Grid
from flwr.supercore.task_identity import TaskIdentity

WEIGHT = 1000  # The workflow's default max_weight: everyone has the full weight.
STEP = 2 * 8.0 / 4_194_304  # The workflow's defaults: clipped to 8, in 2^22 steps.


class Keeper(FedAvg):
    """A strategy that takes everyone, and keeps the mean that the workflow made."""

    def aggregate_fit(self, server_round, results, failures):
        self.mean = parameters_to_ndarrays(results[0][1].parameters)[0]
        return None, {}


class Proxy(ClientProxy):
    """A node id for the strategy; nothing is asked of it."""

    def __init__(self, node):
        super().__init__(str(node))
        self.node_id = node

    def _unused(self, *_, **__):
        raise AssertionError("the workflow speaks through the grid")

    get_properties = get_parameters = fit = evaluate = reconnect = _unused


Proxy.__abstractmethods__ = frozenset()


class Site:
    """One client: its context, its update, the CPU time of its mod and the bytes of its replies."""

    def __init__(self, node, dimension):
        self.update = update_of(node, dimension).astype(np.float32)
        self.context = Context(0, node, {}, RecordDict(), {})
        self.ms, self.training_ms, self.bytes = 0.0, 0.0, 0

    def answer(self, message):
        """The mod's reply. What stands for training is taken off the time."""
        reply, ms = cpu_ms(lambda: secaggplus_mod(message, self.context, self._train))
        self.ms += ms - self.training_ms
        self.training_ms = 0.0
        self.bytes += payload(reply.content.config_records[RECORD_KEY_CONFIGS].values())
        return reply

    def _train(self, message, _context):
        def trained():
            parameters = ndarrays_to_parameters([self.update])
            result = FitRes(Status(Code.OK, ""), parameters, WEIGHT, {})
            return Message(fitres_to_recorddict(result, False), reply_to=message)

        reply, self.training_ms = cpu_ms(trained)
        return reply


class Memory(Grid):
    """A network of function calls. The first `dropouts` clients share keys and send no update."""

    def __init__(self, sites, dropouts):
        self.sites, self.ms = sites, 0.0
        self.dropped = set(sorted(sites)[:dropouts])
        self.gives_both_shares = None

    def send_and_receive(self, messages, *, timeout=None):
        replies, ms = cpu_ms(lambda: [self._deliver(message) for message in messages])
        self.ms += ms
        return replies

    def _deliver(self, message):
        node = message.metadata.dst_node_id
        stage = message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE]
        if stage == Stage.COLLECT_MASKED_VECTORS and node in self.dropped:
            return Message(Error(code=0, reason="gone"), reply_to=message)
        if stage == Stage.UNMASK and self.gives_both_shares is None:
            self.gives_both_shares = gives_both_shares(self.sites[node], message)
        return self.sites[node].answer(copy.deepcopy(message))

    def get_node_ids(self):
        return list(self.sites)

    def _unused(self, *_, **__):
        raise AssertionError("the workflow sends and receives")

    set_run = run = create_message = push_messages = pull_messages = _unused


Memory.__abstractmethods__ = frozenset()


def payload(values):
    """Bytes of the keys, ciphertexts, shares and vectors of a reply, without any framing."""
    total = 0
    for value in values:
        if isinstance(value, bytes):
            total += len(value)
        elif isinstance(value, list):
            total += payload(value)
        else:
            total += 8
    return total


def gives_both_shares(site, message):
    """Whether a client hands out its shares of a client's mask seed and of its key together,
    with which a server takes off all of that client's masks."""
    asked = copy.deepcopy(message)
    configs = asked.content.config_records[RECORD_KEY_CONFIGS]
    active = list(configs[Key.ACTIVE_NODE_ID_LIST])
    configs[Key.DEAD_NODE_ID_LIST] = [active[0]]
    context = copy.deepcopy(site.context)
    reply = secaggplus_mod(asked, context, None).content.config_records[RECORD_KEY_CONFIGS]
    return list(reply[Key.NODE_ID_LIST]).count(active[0]) == 2


def equal_masks_of_unequal_seeds():
    """Whether two seeds of 256 bits that agree in the xor of their words give one mask."""
    one, other = bytes(32), b"\x01\x00\x00\x00" * 2 + bytes(24)
    first, second = (pseudo_rand_gen(seed, 1 << 32, [(64,)])[0] for seed in (one, other))
    return bool((first == second).all())


def main():
    """One round."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--clients", type=int, default=100)
    options.add_argument("--shares", type=int, default=10)
    options.add_argument("--dropouts", type=int, default=5)
    options.add_argument("--dimension", type=int, default=1_000_000)
    options = options.parse_args()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    random.seed(1)  # The workflow draws neighbourhoods from it: the same ones each time.

    # Which task the messages come from.
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    # The server has an id of its own beside them.
    nodes = range(2, options.clients + 2)
    sites = {node: Site(node, options.dimension) for node in nodes}
    grid, strategy = Memory(sites, options.dropouts), Keeper(min_available_clients=options.clients)
    manager = SimpleClientManager()
    for node in nodes:
        manager.register(Proxy(node))
    context = LegacyContext(
        Context(0, 0, {}, RecordDict(), {}), strategy=strategy, client_manager=manager
    )
    # The model itself is left out: plain rounds send it too.
    nothing = parameters_to_arrayrecord(ndarrays_to_parameters([np.zeros(1)]), False)
    context.state.array_records[MAIN_PARAMS_RECORD] = nothing
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({WorkflowKey.CURRENT_ROUND: 1})
    workflow = SecAggPlusWorkflow(options.shares, options.shares // 2 + 1)

    _, total = cpu_ms(lambda: workflow(grid, context))

    stayed = [site for node, site in sites.items() if node not in grid.dropped]
    require(hasattr(strategy, "mean"), "the workflow stopped before its end")
    mean = np.mean([site.update for site in stayed], axis=0, dtype=np.float64)
    error = float(np.abs(strategy.mean - mean).max())
    require(error < 2 * STEP, f"the mean is off by {error}")
    report(
        clients=options.clients,
        dimension=options.dimension,
        shares=options.shares,
        dropouts=options.dropouts,
        client_ms=median([site.ms for site in stayed]),
        server_ms_per_client=(total - grid.ms) / options.clients,
        bytes_per_client=int(median([site.bytes for site in stayed])),
        facts={
            "unequal_seeds_give_equal_masks": equal_masks_of_unequal_seeds(),
            "a_client_gives_both_shares_of_another": grid.gives_both_shares,
        },
    )


main()
