"""What the policy asks about is put to the authority; what it allows is not checked there."""

import os

from allowly_middleware import AllowlyMCPMiddleware
from allowly_middleware.pipeline import Pipeline
from allowly_middleware.policy import Policy, allow, confirm

AUTHORIZATIONS = {"ada": os.environ["ADAS_AUTHORIZATION"]}

gate = AllowlyMCPMiddleware(
    api_key=os.environ["ALLOWLY_KEY"],
    base_url=os.environ["ALLOWLY_BASE_URL"],
    user_id_fn=lambda call: "ada",
    authorization_id_fn=AUTHORIZATIONS.get,
)
policy = Policy(name="github", rules=(allow("github.search_*"), confirm("github.create_issue")))
pipeline = Pipeline(policy=policy, gate=gate)
