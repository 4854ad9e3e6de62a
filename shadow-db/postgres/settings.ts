/** Settings that change neither what a text means nor where it goes nor what others see. */
const harmless: ReadonlySet<string> = new Set(
  `application_name bytea_output client_min_messages constraint_exclusion cursor_tuple_fraction datestyle
  default_transaction_deferrable default_transaction_isolation default_transaction_read_only effective_cache_size
  extra_float_digits force_parallel_mode from_collapse_limit hash_mem_multiplier idle_in_transaction_session_timeout
  idle_session_timeout intervalstyle jit join_collapse_limit lock_timeout maintenance_work_mem
  max_parallel_workers_per_gather plan_cache_mode random_page_cost seq_page_cost statement_timeout synchronous_commit
  tcp_keepalives_idle temp_buffers timezone transaction_deferrable transaction_isolation transaction_read_only
  transaction_timeout work_mem xmlbinary xmloption`
    .split(/\s+/)
    .filter((name) => name !== ''),
);

/** `allowed`: names beyond the built-in list; `app.*` stands for every setting of that prefix. The toolkit's own are never allowed. */
export function mayBeSet(setting: string, allowed: readonly string[]): boolean {
  const name = setting.toLowerCase();
  if (name.startsWith('shadowline.')) return false;
  if (harmless.has(name) || /^enable_[a-z]+$/.test(name)) return true;
  return allowed.some((one) => (one.endsWith('.*') ? name.startsWith(one.slice(0, -1)) : name === one));
}
