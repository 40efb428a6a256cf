"""The kernel's own operations: what owners and administrators do, through the same doors as any plugin's."""

from __future__ import annotations

from trophenix_kernel.administration import account, jobs, keys, members, plugins, records, tenants
from trophenix_sdk.operations import Operation
from trophenix_sdk.permissions import Permission

OPERATIONS: tuple[Operation, ...] = (
    *account.OPERATIONS,
    *tenants.OPERATIONS,
    *members.OPERATIONS,
    *keys.OPERATIONS,
    *plugins.OPERATIONS,
    *records.OPERATIONS,
    *jobs.OPERATIONS,
)

PERMISSIONS: tuple[Permission, ...] = (
    Permission("tenant.read", "See the organisation", "guest"),
    Permission("tenant.update", "Change the organisation", "admin"),
    Permission("member.read", "See the members", "viewer"),
    Permission("member.manage", "Invite, change and remove members", "admin"),
    Permission("grant.manage", "Give and take single permissions", "admin"),
    Permission("key.manage", "Make and revoke API keys", "admin"),
    Permission("plugin.read", "See the modules", "viewer"),
    Permission("plugin.manage", "Switch modules on and off, change their settings", "admin"),
    Permission("audit.read", "Read the audit log", "admin"),
    Permission("usage.read", "See the usage", "manager"),
    Permission("job.read", "Watch background work", "viewer"),
    Permission("job.manage", "Cancel background work", "manager"),
)
"""Platform operations name permissions too; those are held by platform administrators and by nobody else."""
