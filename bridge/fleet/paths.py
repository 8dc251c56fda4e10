"""The addresses under which the hub listens for sites. All but ``ENROL`` need the site's certificate.

A refusal is a problem (RFC 9457); 401: no certificate that is good; 403: of another school, or revoked; 426: another
version of the protocol, update the site.
"""

#: POST Enrolment -> Enrolled. Without a certificate; the ticket is good once.
ENROL = "/site/v1/enrol"
#: POST Report -> Receipt.
REPORT = "/site/v1/report"
#: GET, ``?seconds=50`` -> Receipt (verdict ``none``), as soon as there is an order, or after that time.
WAIT = "/site/v1/wait"
#: POST Answer -> 204.
ANSWERS = "/site/v1/answers"
#: POST Enrolment without ticket -> Enrolled: a new certificate before the old one ends.
RENEW = "/site/v1/renew"
#: Seconds that a site asks the hub to wait for orders.
PATIENCE = 50
#: Of a report about schools that are not the site's (403) each is a fault of the problem, at this and its code.
SCHOOL = "school/"
