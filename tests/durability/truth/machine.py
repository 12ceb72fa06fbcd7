"""The same events under hypothesis, which looks for the shortest story that ends badly."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.durability.campaign import Tally
from tests.durability.truth.choices import Seeded
from tests.durability.truth.ending import bring_to_an_end
from tests.durability.truth.events import EVENTS, Event
from tests.durability.truth.world import Setting, World

COUNTED = Tally()
"""What the machines of this process have counted."""

SETTINGS = st.builds(
    Setting,
    seed=st.integers(0, 1000),
    claim_objects=st.sampled_from((16, 4, 2)),
    lag=st.sampled_from((0.0, 0.05, 1.0)),
    lanes=st.sampled_from(((2,), (4, 2, 1), (4, 1))),
    window=st.sampled_from((1, 4, 16)),
)


class DeliveryMachine(RuleBasedStateMachine):
    """Its rules are the table of events; every run ends with everything well again."""

    world: World | None = None
    intact = True

    @initialize(setting=SETTINGS)
    def begin(self, setting: Setting) -> None:
        self.world = World(setting)

    def happens(self, event: Event, seed: int) -> None:
        world = self.world
        assert world is not None
        self.intact = False
        world.run(event(world, Seeded(f"{event.__name__} {seed}")))
        world.run(world.look())
        world.tally.add("steps")
        self.intact = True

    def teardown(self) -> None:
        if self.world is None:
            return
        with self.world as world:
            if self.intact:
                world.run(bring_to_an_end(world))
                COUNTED.__iadd__(world.tally)


def _rule_for(event: Event, weight: int) -> None:
    """Make a rule of an event; a likely one becomes several, because hypothesis gives all the same chance."""
    for copy in range(max(1, weight // 4)):

        def happen(self: DeliveryMachine, seed: int) -> None:
            self.happens(event, seed)

        happen.__name__ = event.__name__ if not copy else f"{event.__name__}_{copy}"
        setattr(DeliveryMachine, happen.__name__, rule(seed=st.integers(0, 9999))(happen))


for _event, _weight in EVENTS.items():
    _rule_for(_event, _weight)
