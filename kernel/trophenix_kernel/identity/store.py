"""The SQL of people, sessions and keys."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from trophenix_kernel.identity.model import KeyRow, Membership, SessionRow, User
from trophenix_sdk.database import Query

_USER: Final = (
    "id, email, name, password_hash, locale, platform_admin, status, failed_attempts, locked_until"
)
_SESSION: Final = "id, user_id, created_at, expires_at, revoked_at, ip, user_agent"

USER_BY_EMAIL: Final = Query(f"select {_USER} from kernel.users where email = :email", User)
USER_BY_ID: Final = Query(f"select {_USER} from kernel.users where id = :id", User)
INSERT_USER: Final = Query(
    "insert into kernel.users (id, email, name, password_hash, locale, platform_admin)"
    f" values (:id, :email, :name, :password_hash, :locale, :platform_admin) returning {_USER}",
    User,
)
COUNT_FAILURE: Final = Query(
    "update kernel.users set failed_attempts = failed_attempts + 1 where id = :id returning failed_attempts",
    int,
)
LOCK: Final = Query(
    "update kernel.users set locked_until = :until where id = :id returning id", UUID
)
CLEAR_FAILURES: Final = Query(
    "update kernel.users set failed_attempts = 0, locked_until = null where id = :id returning id",
    UUID,
)
SET_PASSWORD: Final = Query(
    "update kernel.users set password_hash = :password_hash where id = :id returning id", UUID
)
SET_LOCALE: Final = Query(
    "update kernel.users set locale = :locale where id = :id returning id", UUID
)

INSERT_SESSION: Final = Query(
    "insert into kernel.sessions (id, token_hash, user_id, expires_at, ip, user_agent)"
    f" values (:id, :token_hash, :user_id, :expires_at, :ip, :user_agent) returning {_SESSION}",
    SessionRow,
)
SESSION_BY_DIGEST: Final = Query(
    f"select {_SESSION} from kernel.sessions where token_hash = :digest", SessionRow
)
SESSIONS_OF: Final = Query(
    f"select {_SESSION} from kernel.sessions where user_id = :user and revoked_at is null and expires_at > :now"
    " order by created_at desc",
    SessionRow,
)
REVOKE_SESSION: Final = Query(
    "update kernel.sessions set revoked_at = :now where id = :id and user_id = :user and revoked_at is null returning id",
    UUID,
)
REVOKE_OTHERS: Final = Query(
    "update kernel.sessions set revoked_at = :now where user_id = :user and id <> :keep and revoked_at is null returning id",
    UUID,
)
DROP_OLD_SESSIONS: Final = Query(
    "delete from kernel.sessions where expires_at < :before returning id", UUID
)

KEY_BY_DIGEST: Final = Query("select * from kernel.find_api_key(:digest)", KeyRow)
TOUCH_KEYS: Final = Query("select kernel.touch_api_keys(cast(:keys as uuid[]), :at)", int)
MEMBERSHIPS_OF: Final = Query("select * from kernel.memberships_of(:user)", Membership)

USE_INVITATION: Final = Query("select kernel.use_invitation(:digest, :now)", UUID)
OPEN_INVITATION: Final = Query("select kernel.find_invitation(:digest, :now)", UUID)
