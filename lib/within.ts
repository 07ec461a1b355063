/** The result of the work, or the error when it takes more milliseconds than this. The work then goes on. */
export async function within<T>(limit: number, work: Promise<T>, error: Error): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(late.reject, limit, error);
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
