"""Other orders in which a plan's steps may be done."""

from random import Random

from vmmcompose.model.plan import Step


def in_another_order(steps: list[Step], random: Random) -> list[Step]:
    """Some order that the edges allow, intents first."""
    waiting, ordered, ended = list(steps), list[Step](), set[int]()
    while waiting:
        step = waiting[0]
        if not step.is_intent:
            ready = [one for one in waiting if one.before <= ended]
            # What comes late in the plan is often tried first: a missing edge shows.
            step = random.choice((random.choice(ready), ready[-1]))
        waiting.remove(step)
        ordered.append(step)
        ended.add(step.id)
    return ordered
