-- One role reads and claims across tenants, only through the functions below; nobody can log in as it.
create policy across_tenants on kernel.tenant_domains to trophenix_system using (true);
create policy across_tenants on kernel.memberships to trophenix_system using (true);
create policy across_tenants on kernel.invitations to trophenix_system using (true);
create policy across_tenants on kernel.api_keys to trophenix_system using (true);
create policy across_tenants on kernel.jobs to trophenix_system using (true);
create policy across_tenants on kernel.outbox to trophenix_system using (true);
create policy across_tenants on kernel.idempotency_keys to trophenix_system using (true);
create policy across_tenants on kernel.quota_windows to trophenix_system using (true);
create policy across_tenants on kernel.usage_daily to trophenix_system using (true);
grant usage, create on schema kernel to trophenix_system;
grant select on kernel.tenants, kernel.users, kernel.tenant_domains, kernel.memberships, kernel.api_keys to trophenix_system;
grant select, insert, update on kernel.usage_daily to trophenix_system;
grant select, update on kernel.invitations, kernel.memberships to trophenix_system;
grant select, update on kernel.jobs to trophenix_system;
grant update (last_used_at) on kernel.api_keys to trophenix_system;
grant update on kernel.outbox to trophenix_system;
grant select, delete on kernel.outbox, kernel.idempotency_keys, kernel.quota_windows to trophenix_system;

-- ── inside a tenant's transaction, as trophenix_app ─────────────────────────────────────────────────────────────────

create function kernel.claim_idempotency_key(actor uuid, wanted text, print bytea, lifetime interval) returns void
language plpgsql set search_path = kernel, pg_temp as $$
declare earlier kernel.idempotency_keys%rowtype;
begin
  insert into kernel.idempotency_keys (actor_id, key, fingerprint, expires_at)
  values (actor, wanted, print, clock_timestamp() + lifetime)
  on conflict (tenant_id, actor_id, key) do update
    set fingerprint = excluded.fingerprint, status = null, body = null, expires_at = excluded.expires_at
    where idempotency_keys.expires_at < clock_timestamp();
  if found then return; end if;
  select * into earlier from kernel.idempotency_keys k where k.actor_id = actor and k.key = wanted;
  if earlier.fingerprint is distinct from print then
    raise exception 'idempotency key was used for another call' using errcode = 'TX002';
  end if;
  raise exception 'idempotency key was answered before' using errcode = 'TX001';
end $$;

create function kernel.use_limit(wanted text, amount bigint, maximum bigint) returns bigint
language plpgsql set search_path = kernel, pg_temp as $$
declare total bigint;
begin
  insert into kernel.limits_used (name, used) values (wanted, greatest(amount, 0))
  on conflict (tenant_id, name) do update set used = greatest(limits_used.used + amount, 0)
  returning used into total;
  if amount > 0 and maximum is not null and total > maximum then
    raise exception 'limit % reached', wanted using errcode = 'TX003',
      detail = json_build_object('limit', wanted, 'used', total - amount, 'amount', amount, 'maximum', maximum)::text;
  end if;
  return total;
end $$;

create function kernel.finish(document jsonb) returns void
language plpgsql set search_path = kernel, pg_temp as $$
declare entry jsonb := document -> 'audit'; answer jsonb := document -> 'answer'; job jsonb := document -> 'job';
begin
  if job is not null then
    update kernel.jobs set status = 'succeeded', result = job -> 'result', finished_at = clock_timestamp(), leased_until = null,
      done = greatest(done, total)
    where id = (job ->> 'id')::uuid and status = 'running' and attempts = (job ->> 'attempt')::integer;
    if not found then
      raise exception 'the job was cancelled or taken over' using errcode = 'TX005';
    end if;
  end if;
  if entry is not null then
    insert into kernel.audit_entries (id, at, actor_kind, actor_id, actor_name, operation, door, target, summary, details, request_id)
    values ((entry ->> 'id')::uuid, (entry ->> 'at')::timestamptz, entry ->> 'actor_kind', (entry ->> 'actor_id')::uuid,
      entry ->> 'actor_name', entry ->> 'operation', entry ->> 'door', entry ->> 'target', entry ->> 'summary',
      coalesce(entry -> 'details', '{}'), entry ->> 'request_id');
  end if;
  if document ? 'events' then
    insert into kernel.outbox (id, plugin_id, name, version, aggregate, payload, occurred_at, request_id)
    select e.id, e.plugin_id, e.name, e.version, e.aggregate, e.payload, e.occurred_at, e.request_id
    from jsonb_to_recordset(document -> 'events') as e(id uuid, plugin_id text, name text, version int, aggregate text,
      payload jsonb, occurred_at timestamptz, request_id text);
    perform pg_notify('trophenix_outbox', '');
  end if;
  if document ? 'jobs' then
    insert into kernel.jobs (id, operation, input, actor, request_id)
    select j.id, j.operation, j.input, j.actor, j.request_id
    from jsonb_to_recordset(document -> 'jobs') as j(id uuid, operation text, input jsonb, actor jsonb, request_id text);
    perform pg_notify('trophenix_jobs', '');
  end if;
  if answer is not null then
    update kernel.idempotency_keys set status = (answer ->> 'status')::smallint, body = decode(answer ->> 'body', 'base64'),
      operation = entry ->> 'operation'
    where actor_id = (answer ->> 'actor_id')::uuid and key = answer ->> 'key';
  end if;
end $$;

create function kernel.lease_quota(tenant uuid, wanted_subject text, window_start timestamptz, maximum bigint, amount bigint)
returns table (granted bigint, used bigint) language plpgsql set search_path = kernel, pg_temp as $$
declare earlier bigint;
begin
  -- Grants min(amount, what is left): never more than the maximum over all workers; 0 means the window is used up.
  perform set_config('app.tenant_id', tenant::text, true);
  insert into kernel.quota_windows (tenant_id, subject, starts_at, used) values (tenant, wanted_subject, window_start, 0)
  on conflict do nothing;
  select w.used into earlier from kernel.quota_windows w
  where w.tenant_id = tenant and w.subject = wanted_subject and w.starts_at = window_start for update;
  used := greatest(least(earlier + amount, maximum), earlier);
  granted := used - earlier;
  if granted > 0 then
    update kernel.quota_windows w set used = lease_quota.used
    where w.tenant_id = tenant and w.subject = wanted_subject and w.starts_at = window_start;
  end if;
  return next;
end $$;

create function kernel.report_job(tenant uuid, job uuid, attempt integer, progress_done bigint, progress_total bigint, lease interval)
returns text language plpgsql set search_path = kernel, pg_temp as $$
declare found_status text;
begin
  perform set_config('app.tenant_id', tenant::text, true);
  update kernel.jobs set done = coalesce(progress_done, done), total = coalesce(progress_total, total),
    leased_until = clock_timestamp() + lease
  where tenant_id = tenant and id = job and status = 'running' and attempts = attempt returning status into found_status;
  return found_status;
end $$;

create function kernel.end_job(tenant uuid, job uuid, attempt integer, fault jsonb, again_in interval) returns void
language plpgsql set search_path = kernel, pg_temp as $$
begin
  perform set_config('app.tenant_id', tenant::text, true);
  update kernel.jobs set problem = fault, leased_until = null,
    status = case when again_in is null then 'failed' else 'queued' end,
    finished_at = case when again_in is null then clock_timestamp() end,
    run_at = case when again_in is null then run_at else clock_timestamp() + again_in end
  where tenant_id = tenant and id = job and status = 'running' and attempts = attempt;
end $$;

create function kernel.next_job_at() returns timestamptz
language sql stable security definer set search_path = kernel, pg_temp as $$
  select min(case when status = 'queued' then run_at else leased_until end) from kernel.jobs where status in ('queued', 'running')
$$;

-- ── before the tenant is known, and for the workers: across tenants ─────────────────────────────────────────────────

create function kernel.find_api_key(digest bytea) returns table (
  tenant_id uuid, id uuid, user_id uuid, name text, environment text, scopes text[], expires_at timestamptz, revoked_at timestamptz)
language sql stable security definer set search_path = kernel, pg_temp as $$
  select k.tenant_id, k.id, k.user_id, k.name, k.environment, k.scopes, k.expires_at, k.revoked_at
  from kernel.api_keys k where k.key_hash = digest
$$;

create function kernel.find_domain(wanted text) returns uuid
language sql stable security definer set search_path = kernel, pg_temp as $$
  select d.tenant_id from kernel.tenant_domains d where d.domain = wanted and d.verified_at is not null
$$;

create function kernel.memberships_of(person uuid) returns table (
  tenant_id uuid, role text, status text, expires_at timestamptz)
language sql stable security definer set search_path = kernel, pg_temp as $$
  select m.tenant_id, m.role, m.status, m.expires_at from kernel.memberships m where m.user_id = person
$$;

create function kernel.find_invitation(digest bytea, instant timestamptz) returns uuid
language sql stable security definer set search_path = kernel, pg_temp as $$
  select i.user_id from kernel.invitations i where i.token_hash = digest and i.used_at is null and i.expires_at > instant
$$;

create function kernel.use_invitation(digest bytea, instant timestamptz) returns uuid
language plpgsql volatile security definer set search_path = kernel, pg_temp as $$
declare found_tenant uuid; person uuid;
begin
  -- Once, whoever is first: the membership it was made for begins in the same moment.
  update kernel.invitations i set used_at = instant
  where i.token_hash = digest and i.used_at is null and i.expires_at > instant
  returning i.tenant_id, i.user_id into found_tenant, person;
  update kernel.memberships m set status = 'active'
  where m.tenant_id = found_tenant and m.user_id = person and m.status = 'invited';
  return person;
end $$;

create function kernel.claim_jobs(amount integer, lease interval) returns table (
  tenant_id uuid, id uuid, operation text, input jsonb, actor jsonb, attempts integer, request_id text)
language sql volatile security definer set search_path = kernel, pg_temp as $$
  update kernel.jobs j set status = 'running', attempts = j.attempts + 1, leased_until = clock_timestamp() + lease
  from (
    select c.tenant_id, c.id from kernel.jobs c
    where c.status in ('queued', 'running') and c.run_at <= clock_timestamp()
      and (c.status = 'queued' or c.leased_until < clock_timestamp())
    order by c.run_at limit amount for update skip locked
  ) due
  where j.tenant_id = due.tenant_id and j.id = due.id
  returning j.tenant_id, j.id, j.operation, j.input, j.actor, j.attempts, j.request_id
$$;

create function kernel.take_outbox(amount integer) returns table (
  tenant_id uuid, id uuid, plugin_id text, name text, version integer, aggregate text, payload jsonb,
  occurred_at timestamptz, request_id text)
language sql volatile security definer set search_path = kernel, pg_temp as $$
  delete from kernel.outbox o using (
    select c.tenant_id, c.id from kernel.outbox c order by c.id limit amount for update skip locked
  ) due
  where o.tenant_id = due.tenant_id and o.id = due.id
  returning o.tenant_id, o.id, o.plugin_id, o.name, o.version, o.aggregate, o.payload, o.occurred_at, o.request_id
$$;

create function kernel.sweep() returns table (idempotency_keys bigint, quota_windows bigint)
language sql volatile security definer set search_path = kernel, pg_temp as $$
  with keys as (delete from kernel.idempotency_keys where expires_at < clock_timestamp() returning 1),
       windows as (delete from kernel.quota_windows where starts_at < clock_timestamp() - interval '3 days' returning 1)
  select (select count(*) from keys), (select count(*) from windows)
$$;

create function kernel.add_usage(rows jsonb) returns integer
language plpgsql volatile security definer set search_path = kernel, pg_temp as $$
declare written integer;
begin
  insert into kernel.usage_daily as u (tenant_id, day, operation, requests, errors, duration_us)
  select r.tenant_id, r.day, r.operation, sum(r.requests), sum(r.errors), sum(r.duration_us)
  from jsonb_to_recordset(rows) as r(tenant_id uuid, day date, operation text, requests bigint, errors bigint, duration_us bigint)
  group by 1, 2, 3 order by 1, 2, 3
  on conflict (tenant_id, day, operation) do update set requests = u.requests + excluded.requests,
    errors = u.errors + excluded.errors, duration_us = u.duration_us + excluded.duration_us;
  get diagnostics written = row_count;
  return written;
end $$;

create function kernel.touch_api_keys(keys uuid[], used_at timestamptz) returns integer
language plpgsql volatile security definer set search_path = kernel, pg_temp as $$
declare written integer;
begin
  -- To the minute: a key in constant use is not written more often.
  update kernel.api_keys k set last_used_at = used_at
  from (select c.tenant_id, c.id from kernel.api_keys c
    where c.id = any (keys) and (c.last_used_at is null or c.last_used_at < used_at - interval '1 minute')
    order by c.tenant_id, c.id for no key update) due
  where k.tenant_id = due.tenant_id and k.id = due.id;
  get diagnostics written = row_count;
  return written;
end $$;

alter function kernel.touch_api_keys(uuid[], timestamptz) owner to trophenix_system;
alter function kernel.add_usage(jsonb) owner to trophenix_system;
alter function kernel.find_invitation(bytea, timestamptz) owner to trophenix_system;
alter function kernel.use_invitation(bytea, timestamptz) owner to trophenix_system;
alter function kernel.find_api_key(bytea) owner to trophenix_system;
alter function kernel.find_domain(text) owner to trophenix_system;
alter function kernel.memberships_of(uuid) owner to trophenix_system;
alter function kernel.next_job_at() owner to trophenix_system;
alter function kernel.claim_jobs(integer, interval) owner to trophenix_system;
alter function kernel.take_outbox(integer) owner to trophenix_system;
alter function kernel.sweep() owner to trophenix_system;
revoke create on schema kernel from trophenix_system;

-- ── every worker hears of a change to what it keeps in memory ───────────────────────────────────────────────────────

create function kernel.announce_change() returns trigger
language plpgsql set search_path = kernel, pg_temp as $$
declare changed jsonb := to_jsonb(coalesce(new, old));
begin
  perform pg_notify('trophenix_changes', tg_table_name || ' ' || coalesce(changed ->> tg_argv[0], ''));
  return null;
end $$;

create trigger announce after insert or update or delete on kernel.tenants
  for each row execute function kernel.announce_change('id');
create trigger announce after insert or update or delete on kernel.tenant_domains
  for each row execute function kernel.announce_change('tenant_id');
create trigger announce after insert or update or delete on kernel.memberships
  for each row execute function kernel.announce_change('user_id');
create trigger announce after insert or update of scopes, expires_at, revoked_at or delete on kernel.api_keys
  for each row execute function kernel.announce_change('id');
create trigger announce after insert or update or delete on kernel.activations
  for each row execute function kernel.announce_change('tenant_id');
create trigger announce after insert or update or delete on kernel.grants
  for each row execute function kernel.announce_change('tenant_id');
create trigger announce after update of status, platform_admin, password_hash or delete on kernel.users
  for each row execute function kernel.announce_change('id');
create trigger announce after update of revoked_at or delete on kernel.sessions
  for each row execute function kernel.announce_change('id');
create trigger announce after insert or update or delete on kernel.plugins
  for each row execute function kernel.announce_change('plugin_id');

-- ── a tenant's place in the tree follows its parent's ───────────────────────────────────────────────────────────────

create function kernel.place_tenant() returns trigger
language plpgsql set search_path = kernel, pg_temp as $$
begin
  if new.parent_id is null then
    new.ancestors := '{}';
  else
    select t.ancestors || t.id into strict new.ancestors from kernel.tenants t where t.id = new.parent_id for share;
  end if;
  return new;
end $$;

create trigger place before insert on kernel.tenants for each row execute function kernel.place_tenant();

create function kernel.keep_tenant_place() returns trigger
language plpgsql set search_path = kernel, pg_temp as $$
begin
  raise exception 'a tenant keeps its parent; found a move of %', old.slug using errcode = 'TX004';
end $$;

create trigger keep_place before update of parent_id, ancestors on kernel.tenants
  for each row when (old.parent_id is distinct from new.parent_id or old.ancestors is distinct from new.ancestors)
  execute function kernel.keep_tenant_place();

revoke all on all functions in schema kernel from public;
grant execute on all functions in schema kernel to trophenix_app;
