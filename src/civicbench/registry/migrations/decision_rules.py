"""Who may do what, as triggers of revision 0002: the same rules on both databases.

Conditions are true where a change is refused.
"""

from civicbench.registry.migrations.refusals import act, refuse

_STEWARDED = (
    "EXISTS (SELECT 1 FROM role_grants g JOIN keys k ON k.person = g.person"
    " WHERE g.role = 'senior-responsible-owner'"
    " AND k.sequence < NEW.sequence AND g.sequence < NEW.sequence"
    " AND NOT EXISTS (SELECT 1 FROM role_withdrawals w"
    " WHERE w.granted = g.sequence AND w.role = g.role)"
    " AND NOT EXISTS (SELECT 1 FROM key_retirements t WHERE t.key = k.id))"
)
"""Whether there is a senior responsible owner who can sign."""
_MAKER = (
    "EXISTS (SELECT 1 FROM version_makers m JOIN accounts a ON a.account = m.account"
    " WHERE m.version = NEW.version AND a.person = {person})"
)
_SIGNER = "(SELECT s.person FROM signatures s WHERE s.sequence = NEW.sequence)"
_ROUND = "(SELECT max(r.sequence) FROM reviews r WHERE r.version = NEW.version)"
_APPROVALS = (
    f"(SELECT count(*) FROM decisions d WHERE d.review = {_ROUND} AND d.outcome <> 'refuse')"
)
_REFUSALS = f"EXISTS (SELECT 1 FROM decisions d WHERE d.review = {_ROUND} AND d.outcome = 'refuse')"
_NEEDED = f"(SELECT r.reviewers FROM reviews r WHERE r.sequence = {_ROUND})"
_STATE = "(SELECT v.state FROM versions v WHERE v.digest = NEW.version)"
_STEPS = (
    ("draft", "superseded"),
    ("draft", "withdrawn"),
    ("evaluated", "in review"),
    ("evaluated", "withdrawn"),
    ("in review", "approved"),
    ("in review", "approved with conditions"),
    ("in review", "refused"),
    ("in review", "withdrawn"),
    ("refused", "in review"),
    ("refused", "withdrawn"),
    ("approved", "in review"),
    ("approved", "live"),
    ("approved", "withdrawn"),
    ("approved with conditions", "in review"),
    ("approved with conditions", "live"),
    ("approved with conditions", "withdrawn"),
    ("live", "superseded"),
    ("live", "withdrawn"),
    ("superseded", "in review"),
    ("superseded", "live"),
    ("superseded", "withdrawn"),
)


def create_rules() -> None:
    """Create the triggers."""
    _people()
    _signatures()
    _reviews()
    _decisions()
    _releases()
    _transitions()


def _people() -> None:
    unsigned = (
        f"{_STEWARDED} AND NOT EXISTS (SELECT 1 FROM signatures s"
        " WHERE s.sequence = NEW.sequence AND s.role IN ({roles}))"
    )
    owner, own = "'senior-responsible-owner'", "'senior-responsible-owner', 'self'"
    for table, roles in (
        ("people", owner),
        ("accounts", owner),
        ("role_grants", owner),
        ("role_withdrawals", owner),
        ("keys", own),
        ("key_retirements", own),
    ):
        refuse(
            f"{table}_by_the_owner",
            when=f"BEFORE INSERT ON {table} WHEN {unsigned.format(roles=roles)}",
            message=f"{table}: a senior responsible owner has to sign this",
        )
    refuse(
        "role_grants_of_an_auditor",
        when="BEFORE INSERT ON role_grants WHEN EXISTS (SELECT 1 FROM role_grants g"
        " WHERE g.person = NEW.person AND g.role <> NEW.role"
        " AND (g.role = 'auditor' OR NEW.role = 'auditor')"
        " AND NOT EXISTS (SELECT 1 FROM role_withdrawals w"
        " WHERE w.granted = g.sequence AND w.role = g.role))",
        message="role_grants: an auditor reads, and holds no other role",
    )
    refuse(
        "role_grants_known",
        when="BEFORE INSERT ON role_grants WHEN NEW.role NOT IN ('engineer', 'evaluator',"
        " 'reviewer', 'senior-responsible-owner', 'auditor')",
        message="role_grants: no such role",
    )


def _signatures() -> None:
    refuse(
        "signatures_of_the_actor",
        when="BEFORE INSERT ON signatures WHEN NOT EXISTS (SELECT 1 FROM events e"
        " WHERE e.sequence = NEW.sequence AND e.actor = NEW.person)",
        message="signatures: the event is another person''s",
    )
    refuse(
        "signatures_by_an_own_key",
        when="BEFORE INSERT ON signatures WHEN NOT EXISTS (SELECT 1 FROM keys k"
        " WHERE k.id = NEW.key AND k.person = NEW.person)"
        " OR EXISTS (SELECT 1 FROM key_retirements t WHERE t.key = NEW.key)",
        message="signatures: not a key of that person, or a retired one",
    )
    refuse(
        "signatures_in_a_held_role",
        when="BEFORE INSERT ON signatures WHEN NEW.role <> 'self' AND NOT EXISTS"
        " (SELECT 1 FROM role_grants g WHERE g.person = NEW.person AND g.role = NEW.role"
        " AND NOT EXISTS (SELECT 1 FROM role_withdrawals w"
        " WHERE w.granted = g.sequence AND w.role = g.role))",
        message="signatures: the person does not hold that role",
    )
    refuse(
        "signatures_of_oneself",
        when="BEFORE INSERT ON signatures WHEN NEW.role = 'self' AND NOT EXISTS"
        " (SELECT 1 FROM events e WHERE e.sequence = NEW.sequence"
        " AND e.kind IN ('key added', 'key retired'))",
        message="signatures: only for keys of one''s own no role is needed",
    )


def _reviews() -> None:
    refuse(
        "reviews_by_a_role",
        when="BEFORE INSERT ON reviews WHEN NOT EXISTS (SELECT 1 FROM signatures s"
        " JOIN events e ON e.sequence = s.sequence WHERE s.sequence = NEW.sequence"
        " AND s.role IN ('engineer', 'evaluator') AND e.kind = 'version submitted'"
        " AND e.subject = NEW.version)",
        message="reviews: an engineer or evaluator submits a version",
    )
    refuse(
        "reviews_ask_for_people",
        when="BEFORE INSERT ON reviews WHEN NEW.reviewers < 1",
        message="reviews: at least one person has to approve",
    )
    refuse(
        "reviews_of_known_makers",
        when="BEFORE INSERT ON reviews WHEN EXISTS (SELECT 1 FROM version_makers m"
        " WHERE m.version = NEW.version"
        " AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.account = m.account))",
        message="reviews: an account that made the version is nobody''s",
    )
    refuse(
        "assignments_of_others",
        when="BEFORE INSERT ON assignments WHEN EXISTS (SELECT 1 FROM reviews r"
        " JOIN version_makers m ON m.version = r.version"
        " JOIN accounts a ON a.account = m.account"
        " WHERE r.sequence = NEW.review AND a.person = NEW.person)",
        message="assignments: whoever made the version does not review it",
    )


def _decisions() -> None:
    refuse(
        "decisions_by_a_role",
        when="BEFORE INSERT ON decisions WHEN NOT EXISTS (SELECT 1 FROM signatures s"
        " JOIN events e ON e.sequence = s.sequence WHERE s.sequence = NEW.sequence"
        " AND s.person = NEW.person AND s.role IN ('reviewer', 'senior-responsible-owner')"
        " AND e.kind = 'version decided' AND e.subject = NEW.version)",
        message="decisions: a reviewer or senior responsible owner decides, and signs it",
    )
    refuse(
        "decisions_by_others",
        when=f"BEFORE INSERT ON decisions WHEN {_MAKER.format(person='NEW.person')}"
        " OR EXISTS (SELECT 1 FROM signatures s"
        " WHERE s.sequence = NEW.review AND s.person = NEW.person)",
        message="decisions: who trained, registered or submitted a version does not decide on it",
    )
    refuse(
        "decisions_in_the_round",
        when=f"BEFORE INSERT ON decisions WHEN {_STATE} <> 'in review' OR NEW.review <> {_ROUND}",
        message="decisions: the version is not in that review",
    )
    refuse(
        "decisions_on_the_evidence",
        when="BEFORE INSERT ON decisions WHEN NOT EXISTS (SELECT 1 FROM versions v"
        " JOIN reviews r ON r.version = v.digest WHERE v.digest = NEW.version"
        " AND r.sequence = NEW.review AND v.evidence_digest = NEW.evidence"
        " AND r.gate = NEW.gate)",
        message="decisions: signed over other evidence or another gate",
    )
    refuse(
        "decisions_known",
        when="BEFORE INSERT ON decisions WHEN NEW.outcome NOT IN"
        " ('approve', 'approve with conditions', 'refuse')",
        message="decisions: no such outcome",
    )


def _releases() -> None:
    refuse(
        "alias_moves_by_a_role",
        when="BEFORE INSERT ON alias_moves WHEN NOT EXISTS (SELECT 1 FROM signatures s"
        " JOIN events e ON e.sequence = s.sequence WHERE s.sequence = NEW.sequence"
        " AND ((NEW.version IS NOT NULL AND e.kind = 'version released'"
        " AND e.subject = NEW.version AND s.role = 'senior-responsible-owner')"
        " OR (NEW.version IS NULL AND e.kind IN ('version withdrawn', 'version released')"
        " AND s.role IN ('reviewer', 'senior-responsible-owner'))))",
        message="alias_moves: a senior responsible owner releases, and signs it",
    )
    refuse(
        "alias_moves_by_others",
        when=f"BEFORE INSERT ON alias_moves WHEN {_MAKER.format(person=_SIGNER)}",
        message="alias_moves: who trained or registered a version does not release it",
    )
    refuse(
        "alias_moves_to_approved",
        when="BEFORE INSERT ON alias_moves WHEN NEW.version IS NOT NULL AND"
        f" ({_STATE} NOT IN ('approved', 'approved with conditions', 'superseded', 'live')"
        " OR NOT EXISTS (SELECT 1 FROM versions v"
        " WHERE v.digest = NEW.version AND v.model = NEW.model)"
        " OR NEW.alias NOT IN ('live', 'candidate'))",
        message="alias_moves: only an approved version of that model is released",
    )
    refuse(
        "alias_moves_after_review",
        when="BEFORE INSERT ON alias_moves WHEN NEW.version IS NOT NULL"
        f" AND ({_APPROVALS} < coalesce({_NEEDED}, 1) OR {_REFUSALS})",
        message="alias_moves: not as many people approved as the gate asks for",
    )
    refuse(
        "alias_moves_before_expiry",
        when="BEFORE INSERT ON alias_moves WHEN NEW.version IS NOT NULL AND EXISTS"
        " (SELECT 1 FROM decisions d JOIN events e ON e.sequence = NEW.sequence"
        f" WHERE d.review = {_ROUND} AND d.outcome <> 'refuse' AND d.expires_at <= e.at)",
        message="alias_moves: the approval has expired",
    )


def _transitions() -> None:
    known = " OR ".join(
        f"(NEW.from_state = '{before}' AND NEW.to_state = '{after}')" for before, after in _STEPS
    )
    moved = (
        "EXISTS (SELECT 1 FROM alias_moves m WHERE m.sequence = NEW.sequence"
        " AND m.alias = 'live' AND m.version {same} NEW.version)"
    )
    kind = (
        "EXISTS (SELECT 1 FROM events e WHERE e.sequence = NEW.sequence AND e.kind = '{kind}'"
        " AND e.subject = NEW.version)"
    )
    for name, when, message in (
        (
            "transitions_known",
            f"NOT ({known}) OR NEW.from_state <> {_STATE}",
            "transitions: a version does not take that step",
        ),
        (
            "transitions_to_review",
            f"NEW.to_state = 'in review' AND coalesce({_ROUND}, 0) <> NEW.sequence",
            "transitions: a version is submitted first",
        ),
        (
            "transitions_to_approved",
            "NEW.to_state IN ('approved', 'approved with conditions')"
            f" AND ({_APPROVALS} < {_NEEDED} OR {_REFUSALS})",
            "transitions: not as many people approved as the gate asks for",
        ),
        (
            "transitions_to_refused",
            f"NEW.to_state = 'refused' AND NOT {_REFUSALS}",
            "transitions: nobody refused",
        ),
        (
            "transitions_to_live",
            f"NEW.to_state = 'live' AND NOT {moved.format(same='=')}",
            "transitions: no release made it live",
        ),
        (
            "transitions_to_superseded",
            "NEW.to_state = 'superseded' AND NEW.from_state = 'live'"
            f" AND NOT {moved.format(same='<>')}",
            "transitions: no release took its place",
        ),
        (
            "transitions_to_withdrawn",
            f"NEW.to_state = 'withdrawn' AND NOT {kind.format(kind='version withdrawn')}",
            "transitions: nobody withdrew it",
        ),
    ):
        refuse(name, when=f"BEFORE INSERT ON transitions WHEN {when}", message=message)
    act(
        "transitions_set_the_state",
        when="AFTER INSERT ON transitions",
        statement="UPDATE versions SET state = NEW.to_state WHERE digest = NEW.version",
    )
    refuse(
        "versions_follow_the_log",
        when="BEFORE UPDATE OF state ON versions WHEN NEW.state <> coalesce("
        "(SELECT t.to_state FROM transitions t WHERE t.version = NEW.digest"
        " ORDER BY t.sequence DESC LIMIT 1), OLD.state)",
        message="versions: the state follows from the log",
    )
    refuse(
        "versions_begin_unreviewed",
        when="BEFORE INSERT ON versions WHEN NEW.state NOT IN ('draft', 'evaluated')",
        message="versions: a version begins as draft or evaluated",
    )
