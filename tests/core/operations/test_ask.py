from dataclasses import replace
from datetime import timedelta

from core.actors import AccessPolicy, Approvable
from core.operations.ask import Proposal, ask
from core.operations.results import Asked, Refused
from core.receipts.receipt import Action
from core.rollout.refusals import Code
from core.target.order import Order
from tests.support.rig import Rig


def test_the_receipt_of_a_request_says_what_it_is_bound_to(begun: Rig) -> None:
    """What was asked for can be read from the chain alone."""
    facts, now = begun.target.facts(), begun.clock.now
    asked = ask(begun.target, facts, Proposal(Approvable.PROMOTE, to_stage=25), Order(begun.people["olivia"], "good"), now)
    assert isinstance(asked, Asked)
    receipt = begun.target.journal.receipts(last=1)[0].receipt
    assert (receipt.action, receipt.actor.id, receipt.approval_id) == (Action.REQUEST, "UOLIVIA", asked.approval.id)
    assert (receipt.stage_before, receipt.stage_after, receipt.reason) == (10, 25, "good")
    terms = receipt.terms
    assert terms is not None
    assert (terms.action, terms.subject, terms.needed, terms.epoch) == (Approvable.PROMOTE, (), 1, 0)
    assert (terms.revision, terms.policy_digest) == (facts.state.revision, begun.settings.policy_digest)
    assert terms.expires_at == now + timedelta(minutes=begun.settings.approval_minutes)


def test_nothing_is_asked_that_nobody_could_approve(begun: Rig) -> None:
    """The only approver is who asks: refused, and no receipt."""
    alone = replace(begun.target, access=AccessPolicy(approvers=frozenset({"UAARON"})))
    proposal = Proposal(Approvable.PROMOTE, to_stage=25)
    refused = ask(alone, alone.facts(), proposal, Order(begun.people["aaron"]), begun.clock.now)
    assert isinstance(refused, Refused)
    assert refused.refusal.code is Code.NO_APPROVERS
    assert begun.target.journal.receipts(last=1)[0].receipt.action is Action.INIT
