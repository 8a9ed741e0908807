"""Gets one token with Microsoft's own client library, so that its request can be compared with ours.

Takes the path of a job in JSON:

    authority      https://HOST:PORT/TENANT
    ca_file        the trust anchor of that host
    client_id      the application
    credential     what msal takes as `client_credential`
    scopes         what to ask for
    refresh_token  where the token is to be a user's

Prints `granted`, or the error that came instead. No token is printed.
"""

import json
import sys

import msal
import requests


def main(job_file):
    with open(job_file, encoding="utf-8") as file:
        job = json.load(file)

    session = requests.Session()
    session.verify = job["ca_file"]
    # Proxies and trust anchors of this machine have no say here.
    session.trust_env = False

    application = msal.ConfidentialClientApplication(
        job["client_id"],
        client_credential=job["credential"],
        authority=job["authority"],
        instance_discovery=False,
        http_client=session,
    )
    refresh_token = job.get("refresh_token")
    if refresh_token is None:
        answer = application.acquire_token_for_client(scopes=job["scopes"])
    else:
        answer = application.acquire_token_by_refresh_token(refresh_token, scopes=job["scopes"])

    if "access_token" in answer:
        print("granted")
    else:
        print(answer.get("error"), answer.get("error_codes"))


main(sys.argv[1])
